"""The classifier's network: inputs side by side, an encoder, and a linear layer.

Shapes: B texts, T tokens of the longest, D numbers per token, H per token and direction, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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
        self.lstm = nn.LSTM(input_dim, hidden_dim, batch_first=True, bidirectional=True)
        self.dim = 4 * hidden_dim

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Read each text to its own end; ``lengths`` ``(B,)`` on the CPU, at least 1."""
        packed = pack_padded_sequence(tokens, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=tokens.shape[1])
        is_padding = torch.arange(tokens.shape[1])[None, :, None] >= lengths[:, None, None]
        highest = outputs.masked_fill(is_padding.to(outputs.device), -torch.inf).amax(1)
        return torch.cat([outputs.sum(1) / lengths[:, None].to(outputs), highest], dim=1)


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
