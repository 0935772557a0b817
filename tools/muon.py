"""Muon for matrices, AdamW for everything else.

Muon: the step is the nearest orthogonal matrix to the momentum, by five Newton-Schulz rounds
(Jordan et al. 2024), scaled by 0.2 sqrt(max(rows, columns)) so that its size is AdamW's
(Liu et al. 2025, "Muon is scalable for LLM training").
"""
import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(matrices):
    """(n, rows, columns), rows being no more than columns -> nearly orthogonal ones of the same row
    and column spaces."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()  # slow in BF16 on processors
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x


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
        piles = {}  # (rows, columns), rows being fewer -> what is made orthogonal at once
        for name, w in self.weights.items():
            g = gradients[name].float()
            if name in self.matrices:
                size, moving = self.matrices[name], self._moving(name, g).view(-1, *self.matrices[name])
                tall = size[0] > size[1]
                piles.setdefault(tuple(sorted(size)), []).append((name, moving.transpose(1, 2) if tall else moving))
            else:
                self._adam(name, w, g, other_rate)
        for size, pile in piles.items():
            steps = orthogonal(torch.cat([moving for _, moving in pile]))
            for (name, _), step in zip(pile, steps.split([len(moving) for _, moving in pile])):
                w = self.weights[name]
                step = step if self.matrices[name] == size else step.transpose(1, 2)
                w.mul_(1 - matrix_rate * self.decay)
                w.view(-1, *self.matrices[name]).add_(step, alpha=-matrix_rate * 0.2 * size[1] ** 0.5)

    def _tensors(self):
        return [*self.weights.values(), *self.first.values(), *self.second.values()]

    def state(self):
        """A copy of weights and moments, to go back to."""
        return self.steps, [t.detach().clone() for t in self._tensors()]

    @torch.no_grad()
    def go_back(self, state):
        self.steps = state[0]
        for tensor, kept in zip(self._tensors(), state[1]):
            tensor.copy_(kept)

    def _moving(self, name, g):
        """Nesterov's momentum."""
        first = self.first[name]
        first.mul_(self.momentum).add_(g, alpha=1 - self.momentum)
        return g.lerp(first, self.momentum)

    def _adam(self, name, w, g, rate):
        b1, b2 = self.betas
        first, second = self.first[name].lerp_(g, 1 - b1), self.second[name].lerp_(g * g, 1 - b2)
        step = (first / (1 - b1 ** self.steps)) / ((second / (1 - b2 ** self.steps)).sqrt() + 1e-10)
        if w.dim() > 1 and w.shape[-2] > w.shape[0]:
            w.mul_(1 - rate * self.decay)
        w.add_(step, alpha=-rate)
