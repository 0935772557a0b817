#!/usr/bin/env python3
"""What the experts of a mixture are used for: reads the `routes.npz` that `train_gpu.py` leaves.

Printed for each layer: the entropy of which expert is visited (log2 of their number if all are
used alike); how much of it the token alone tells (mutual information, with the bias of small
counts subtracted after Miller and Madow); how far two languages differ (Jensen-Shannon
divergence, bits); and the share of visits that a cache of some experts, the least recently used
one leaving, already holds, beside the same cache under uniform routing.
"""
import argparse
import collections
import json

import numpy as np


def entropy(counts):
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def hit_ratio(visits, slots):
    """visits (tokens, experts used) of one layer, in order."""
    cache, hits = collections.OrderedDict(), 0
    for experts in visits:
        for e in experts:
            if e in cache:
                hits += 1
                cache.move_to_end(e)
            else:
                cache[e] = True
                if len(cache) > slots:
                    cache.popitem(last=False)
    return hits / visits.size


def uniform_visits(tokens, experts, used, seed):
    source = np.random.default_rng(seed)
    return source.random((tokens, experts)).argsort(1)[:, :used]


def token_information(tokens, visits, experts):
    """Bits that the token tells of the expert visited (Miller-Madow corrected)."""
    joint = np.zeros((int(tokens.max()) + 1, experts))
    np.add.at(joint, (np.repeat(tokens, visits.shape[1]), visits.ravel()), 1)
    corrected = lambda c: entropy(c) + ((c > 0).sum() - 1) / (2 * c.sum() * np.log(2))
    return corrected(joint.sum(0)) + corrected(joint.sum(1)) - corrected(joint.ravel())


def divergence(a, b):
    a, b = a / a.sum(), b / b.sum()
    return entropy((a + b) / 2) - (entropy(a) + entropy(b)) / 2


def report(routes, experts, slots, seed):
    names = sorted(key[:-8] for key in routes if key.endswith(".experts"))
    layers, _, used = routes[names[0] + ".experts"].shape
    rows = []
    for l in range(layers):
        visits = {n: routes[n + ".experts"][l] for n in names}
        counts = {n: np.bincount(v.ravel(), minlength=experts) for n, v in visits.items()}
        row = {"layer": l, "entropy_bits": entropy(sum(counts.values())),
               "token_bits": token_information(np.concatenate([routes[n + ".tokens"] for n in names]),
                                               np.concatenate(list(visits.values())), experts),
               "most_used_share": float(max(sum(counts.values())) / sum(counts.values()).sum())}
        if len(names) == 2:
            row["languages_bits"] = divergence(*(counts[n].astype(float) for n in names))
        for slot in slots:
            row[f"lru_{slot}"] = float(np.mean([hit_ratio(v, slot) for v in visits.values()]))
        rows.append(row)
    uniform = uniform_visits(20000, experts, used, seed)
    return {"experts": experts, "experts_used": used, "uniform_entropy_bits": float(np.log2(experts)),
            "tokens": {n: len(routes[n + ".tokens"]) for n in names},
            "uniform": {f"lru_{slot}": hit_ratio(uniform, slot) for slot in slots}, "layers": rows}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("routes", help="routes.npz")
    p.add_argument("--experts", type=int, required=True, help="of a layer")
    p.add_argument("--slots", default="4,8,12", help="sizes of caches, in experts of a layer")
    p.add_argument("--seed", type=int, default=1, help="of the uniform routing")
    args = p.parse_args()
    with np.load(args.routes) as routes:
        found = report(routes, args.experts, [int(s) for s in args.slots.split(",")], args.seed)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
