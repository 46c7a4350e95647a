"""What a run will need before it is started: memory, disk, bytes on the wire and time, and whether they are there.

Estimates are functions of numbers alone (:mod:`embtrain.planning.sizes` has which); only
:mod:`embtrain.planning.machine` looks at this machine. ``embtrain plan`` prints them, and a training that would not
fit is refused by the same numbers.
"""
