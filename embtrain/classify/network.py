"""The classifier's network: inputs side by side, an encoder, and a linear layer.

Shapes: B texts, T tokens of the longest, D numbers per token, H per token and direction, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embtrain.classifier_settings import ClassifySettings
from embtrain.classify.tokens import Batch


class MeanEncoder(nn.Module):
    """The mean of a text's tokens: ``(B, T, D)`` to ``(B, D)``, whatever their order."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Average over each text's own tokens; ``tokens`` are zero past the end, ``lengths`` ``(B,)`` at least 1."""
        return tokens.sum(1) / lengths[:, None].to(tokens)


class BiLstmEncoder(nn.Module):
    """An LSTM in each direction, and of its outputs the mean and the maximum: ``(B, T, D)`` to ``(B, 4 * H)``.

    The mean tells what a text is about, the maximum whether something is anywhere in it (Howard and Ruder, 2018,
    section 3.3).
    """

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        # Two of one direction: one LSTM of both reads texts to their own ends only packed, in twice the time on a CPU.
        self.from_start = nn.LSTM(input_dim, hidden_dim, batch_first=True)
        self.from_end = nn.LSTM(input_dim, hidden_dim, batch_first=True)
        self.dim = 4 * hidden_dim

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Read each text from its first token to its last, and from its last; ``lengths`` ``(B,)``, at least 1."""
        lengths = lengths[:, None, None].to(tokens.device)
        places = torch.arange(tokens.shape[1], device=tokens.device)[None, :, None]
        is_padding = places >= lengths
        # Of each place, the one that is as far from the text's end.
        mirrored = torch.where(is_padding, places, lengths - 1 - places)
        from_end, _ = self.from_end(tokens.take_along_dim(mirrored, dim=1))
        outputs = torch.cat([self.from_start(tokens)[0], from_end.take_along_dim(mirrored, dim=1)], dim=2)
        mean = outputs.masked_fill(is_padding, 0).sum(1) / lengths[:, 0]
        return torch.cat([mean, outputs.masked_fill(is_padding, -torch.inf).amax(1)], dim=1)


class Network(nn.Module):
    """From what the inputs make of the tokens to a score for each class.

    Args:
        inputs: modules that turn an array ``(B, T, …)`` into ``(B, T, dim)``, zeros past a text's end.
        input_dim: the sum of their dims.
        num_classes: K.
        settings: encoder and dropout.
    """

    def __init__(
        self, inputs: Sequence[nn.Module], *, input_dim: int, num_classes: int, settings: ClassifySettings
    ) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(inputs)
        self.encoder: MeanEncoder | BiLstmEncoder
        if settings.encoder == "bilstm":
            self.encoder = BiLstmEncoder(input_dim, settings.hidden_dim)
        else:
            self.encoder = MeanEncoder(input_dim)
        self.dropout = nn.Dropout(settings.dropout)
        self.scores = nn.Linear(self.encoder.dim, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Return a score for each class before softmax, ``(B, K)``."""
        tokens = torch.cat([module(array) for module, array in zip(self.inputs, batch.inputs, strict=True)], dim=2)
        scores: Tensor = self.scores(self.dropout(self.encoder(self.dropout(tokens), batch.lengths)))
        return scores
