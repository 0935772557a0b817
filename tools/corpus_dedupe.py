"""Near-duplicate detection with sampled shingle hashes (Broder 1997), in numpy."""

import re

import numpy as np

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
NOT_LETTERS = re.compile(r"[\W_]+")


def mix(values):
    """A bijective scramble of uint64 values (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def window_hashes(codes, width):
    """Polynomial hashes, modulo 2^64, of every window of `width` codes, by doubling."""
    power, length = MULTIPLIER, 1
    doubled, result, result_length = codes, None, 0
    result_power = np.uint64(1)
    while True:
        if width & length:
            if result is None:
                result, result_length, result_power = doubled, length, power
            else:
                size = len(codes) - result_length - length + 1
                result = doubled[:size] + power * result[length:length + size]
                result_length += length
        if result_length == width:
            return result
        doubled = doubled[:len(doubled) - length] + power * doubled[length:]
        power, length = power * power, length * 2


def sampled_shingles(text, width, modulus):
    """Sorted hashes of the windows of `width` letters or digits, those divisible by `modulus`."""
    letters = NOT_LETTERS.sub("", text.lower())
    raw = letters.encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(raw, dtype="<u4").astype(np.uint64)
    if len(codes) < width:
        return np.empty(0, np.uint64)
    with np.errstate(over="ignore"):
        hashes = mix(window_hashes(mix(codes), width))
    return np.unique(hashes[hashes % np.uint64(modulus) == 0])


class ShingleTable:
    """The shingles of all documents, renumbered; only those in two or more documents are stored."""

    def __init__(self, shingles):
        """shingles: list of sorted uint64 arrays, one a document."""
        self.totals = np.array([len(s) for s in shingles])
        values = np.concatenate(shingles) if shingles else np.empty(0, np.uint64)
        unique, counts = np.unique(values, return_counts=True)
        shared = unique[counts > 1]
        self.count = len(shared)
        self.ids = []
        for hashes in shingles:
            at = np.searchsorted(shared, hashes)
            at[at == len(shared)] = 0
            self.ids.append(at[shared[at] == hashes] if len(shared) else at[:0])

    def first_copies(self, order, limit):
        """Which stay when, in `order`, documents contained to more than `limit` in kept ones go."""
        seen = np.zeros(self.count, bool)
        kept = np.zeros(len(self.ids), bool)
        for d in order:
            ids = self.ids[d]
            if self.totals[d] and seen[ids].sum() > limit * self.totals[d]:
                continue
            kept[d] = True
            seen[ids] = True
        return kept

    def near(self, held, candidates, limit):
        """Candidates that share more than `limit` of their own or of a held document's shingles."""
        holder = np.full(self.count, -1)
        for h in held:
            holder[self.ids[h]] = h
        close = []
        for d in candidates:
            owners = holder[self.ids[d]]
            owners, counts = np.unique(owners[owners >= 0], return_counts=True)
            smaller = np.minimum(self.totals[d], self.totals[owners])
            if (counts > limit * smaller).any() or counts.sum() > limit * self.totals[d]:
                close.append(d)
        return close
