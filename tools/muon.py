"""Muon for matrices, AdamW for everything else.

Muon: the step is the nearest orthogonal matrix to the momentum, by five Newton-Schulz rounds
(Jordan et al. 2024), scaled by 0.2 sqrt(max(rows, columns)) so that its size is AdamW's
(Liu et al. 2025, "Muon is scalable for LLM training").
"""
import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(matrices):
    """(n, rows, columns) -> nearly orthogonal ones of the same row and column spaces."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()  # slow in BF16 on processors
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if tall else x


class Optimiser:
    """Steps `weights` (name -> F32 tensor). matrices: name -> (rows, columns) of the single
    matrices of a tensor, which is a pile of them; what is not named there is AdamW's."""

    def __init__(self, weights, matrices, decay=0.1, momentum=0.95, betas=(0.9, 0.95)):
        self.weights, self.matrices = weights, matrices
        self.decay, self.momentum, self.betas = decay, momentum, betas
        self.first = {n: torch.zeros_like(w) for n, w in weights.items()}
        self.second = {n: torch.zeros_like(w) for n, w in weights.items() if n not in matrices}
        self.steps = 0

    @torch.no_grad()
    def step(self, gradients, matrix_rate, other_rate):
        self.steps += 1
        for name, w in self.weights.items():
            g = gradients[name].float()
            if name in self.matrices:
                self._muon(name, w, g, matrix_rate)
            else:
                self._adam(name, w, g, other_rate)

    def _muon(self, name, w, g, rate):
        first = self.first[name]
        first.mul_(self.momentum).add_(g, alpha=1 - self.momentum)
        size = self.matrices[name]
        step = orthogonal(g.lerp(first, self.momentum).view(-1, *size)).float().view_as(w)
        w.mul_(1 - rate * self.decay).add_(step, alpha=-rate * 0.2 * max(size) ** 0.5)

    def _adam(self, name, w, g, rate):
        b1, b2 = self.betas
        first, second = self.first[name].lerp_(g, 1 - b1), self.second[name].lerp_(g * g, 1 - b2)
        step = (first / (1 - b1 ** self.steps)) / ((second / (1 - b2 ** self.steps)).sqrt() + 1e-10)
        if w.dim() > 1 and w.shape[-2] > w.shape[0]:
            w.mul_(1 - rate * self.decay)
        w.add_(step, alpha=-rate)
