"""A model as a page to read: what it was made from and measured at, and what lies near what."""
