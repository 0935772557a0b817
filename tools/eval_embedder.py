#!/usr/bin/env python3
"""How well texts are found: character-bigram BM25, an embedder through `issun embed`, and both.

Sets (for tests only, nothing is learnt from them): JSQuAD (questions; the unique paragraphs of its
validation part, title in front), JSTS (pairs of sentences with a similarity) and Cranfield (English).
With `--windows N` a paragraph's score is the cosine with the whole of it plus the greatest with any
window of about N characters of whole sentences, the title in front of each (small to big).
Hybrid is a * dense + (1 - a) * BM25, each scaled per query from its least (0) to its greatest (1).
`--tune` finds a on generated pairs of documents held out from the training data, never on the sets.
"""
import argparse
import collections
import json
import math
import os
import re
import unicodedata

import numpy as np

from embedder_data import SENTENCES
from embedder_gguf import issun_vectors


def grams(text, sizes):
    """Character n-grams within runs of letters and digits, after NFKC, in lower case. A run
    shorter than the shortest n counts whole."""
    text = unicodedata.normalize("NFKC", text).lower()
    out = []
    for run in "".join(c if c.isalnum() else " " for c in text).split():
        for n in sizes:
            out += [run[i:i + n] for i in range(len(run) - n + 1)]
        if len(run) < min(sizes):
            out.append(run)
    return out


def words(text, _):
    return re.findall(r"[a-z0-9]+", text.lower())


def bm25(queries, documents, sizes=(2,), cut=grams, k1=1.2, b=0.75):
    """Scores (queries, documents): Robertson's BM25 with idf = ln(1 + (N - n + 0.5) / (n + 0.5))."""
    counts = [collections.Counter(cut(d, sizes)) for d in documents]
    lengths = np.array([sum(c.values()) for c in counts], dtype=np.float64)
    longer = k1 * (1 - b + b * lengths / lengths.mean())
    postings = collections.defaultdict(list)
    for d, count in enumerate(counts):
        for gram, n in count.items():
            postings[gram].append((d, n * (k1 + 1) / (n + longer[d])))
    scores = np.zeros((len(queries), len(documents)), dtype=np.float32)
    for q, query in enumerate(queries):
        for gram in set(cut(query, sizes)):
            found = postings.get(gram, ())
            idf = math.log(1 + (len(documents) - len(found) + 0.5) / (len(found) + 0.5))
            for d, value in found:
                scores[q, d] += idf * value
    return scores


def scaled(scores):
    """Each row from 0 (its least) to 1 (its greatest)."""
    least, most = scores.min(1, keepdims=True), scores.max(1, keepdims=True)
    return (scores - least) / np.maximum(most - least, 1e-9)


def ranks(scores, wanted):
    """How many documents stand before the wanted one of each query; equal scores: in their order."""
    own = scores[np.arange(len(wanted)), wanted][:, None]
    before = np.arange(scores.shape[1])[None] < np.asarray(wanted)[:, None]
    return (scores > own).sum(1) + ((scores == own) & before).sum(1)


def figures(found):
    return {"recall@1": float((found < 1).mean()), "recall@10": float((found < 10).mean()),
            "mrr@10": float(np.where(found < 10, 1 / (found + 1), 0).mean())}


def interval(values, generator, times=2000):
    """The middle 95 % of the means of samples drawn with replacement."""
    means = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(times)]
    return [round(float(v), 4) for v in np.percentile(means, [2.5, 97.5])]


def windows(title, text, size):
    """Runs of whole sentences of at most `size` characters (or one sentence), each beginning with
    the last sentence of the one before."""
    sentences, out, first = [s for s in SENTENCES.findall(text) if s.strip()], [], 0
    while first < len(sentences):
        last, run = first, ""
        while last < len(sentences) and (not run or len(run) + len(sentences[last]) <= size):
            run += sentences[last]
            last += 1
        out.append(f"{title} {run}")
        if last == len(sentences):
            break
        first = max(first + 1, last - 1)
    return out or [f"{title} {text}"]


def dense_scores(embed, queries, paragraphs, size):
    """Scores (queries, paragraphs) of (title, text) pairs: name -> scores."""
    asked = embed(queries)
    whole = asked @ embed([f"{title} {text}" for title, text in paragraphs]).T
    if not size:
        return {"embedder": whole}
    parts = [windows(title, text, size) for title, text in paragraphs]
    scores = asked @ embed([part for of in parts for part in of]).T
    begins = np.cumsum([0] + [len(of) for of in parts[:-1]])
    return {"embedder": whole + np.maximum.reduceat(scores, begins, axis=1), "embedder, whole": whole}


def report(name, lexical, dense, wanted, alphas, generator):
    """Figures of BM25 and embedder (name -> scores; the first of each counts) and of the hybrid."""
    first = next(iter(lexical))
    every = lexical | dense
    for a in alphas:
        every[f"hybrid {a}"] = a * scaled(dense["embedder"]) + (1 - a) * scaled(lexical[first])
    found = {k: ranks(s, wanted) for k, s in every.items()}
    result = {k: {m: round(v, 4) for m, v in figures(f).items()} for k, f in found.items()}
    hits = {k: (f < 10).astype(float) for k, f in found.items()}
    for k in found:
        result[k]["recall@10 95%"] = interval(hits[k], generator)
    pairs = [("embedder", first)] + [(f"hybrid {a}", o) for a in alphas for o in (first, "embedder")]
    for k, other in pairs:
        gain = hits[k] - hits[other]
        result[f"{k} - {other}"] = {"recall@10": round(float(gain.mean()), 4),
                                    "95%": interval(gain, generator)}
    lines = ",\n ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in result.items())
    print(f"{json.dumps(name)}: {{\n {lines}}}", flush=True)


def jsquad(path):
    """(questions, the number of the paragraph of each, paragraphs as (title, text))."""
    with open(path, encoding="utf-8") as file:
        articles = json.load(file)["data"]
    paragraphs, questions, wanted = {}, [], []
    for article in articles:
        for paragraph in article["paragraphs"]:
            title, text = re.split(r"\s*\[SEP\]\s*", paragraph["context"], maxsplit=1)
            number = paragraphs.setdefault((title, text), len(paragraphs))
            for item in paragraph["qas"]:
                questions.append(item["question"])
                wanted.append(number)
    return questions, np.array(wanted), list(paragraphs)


def spearman(a, b):
    """The correlation of ranks; equal values share the mean of theirs."""
    def ranked(values):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float(np.corrcoef(ranked(np.asarray(a)), ranked(np.asarray(b)))[0, 1])


def jsts(path, embed):
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    label = [r["label"] for r in rows]
    one, two = (embed([r[k] for r in rows]) for k in ("sentence1", "sentence2"))
    pairs = [(set(grams(r["sentence1"], (1, 2))), set(grams(r["sentence2"], (1, 2)))) for r in rows]
    overlap = [len(a & b) / max(1, len(a | b)) for a, b in pairs]
    print(json.dumps({"jsts": {"pairs": len(rows), "spearman": round(spearman((one * two).sum(1), label), 4),
                               "spearman of shared n-grams": round(spearman(overlap, label), 4)}}))


def cranfield(folder, embed, alpha):
    """nDCG@10; codes 1 (best) to 4 gain 4 to 1; queries are numbered as they come in the file."""
    def items(name):
        with open(os.path.join(folder, name), encoding="latin-1") as file:
            return re.split(r"^\.I \d+\n", file.read(), flags=re.M)[1:]
    body = [" ".join(re.split(r"^\.[A-Z]\n", d, flags=re.M)[-1].split()) for d in items("cran.all.1400")]
    queries = [" ".join(q.replace(".W\n", "").split()) for q in items("cran.qry")]
    gains = np.zeros((len(queries), len(body)))
    with open(os.path.join(folder, "cranqrel"), encoding="latin-1") as file:
        for line in file:
            q, d, code = map(int, line.split()[:3])
            gains[q - 1, d - 1] = max(0, 5 - code) if code > 0 else 0
    lexical, dense = bm25(queries, body, cut=words), embed(queries) @ embed(body).T
    hybrid = alpha * scaled(dense) + (1 - alpha) * scaled(lexical)
    discount, result = 1 / np.log2(np.arange(2, 12)), {}
    for name, scores in {"bm25 of words": lexical, "embedder": dense, "hybrid": hybrid}.items():
        best = np.sort(gains, 1)[:, ::-1][:, :10] @ discount
        got = np.take_along_axis(gains, np.argsort(-scores, 1)[:, :10], 1) @ discount
        result[name] = round(float((got / np.maximum(best, 1e-9))[best > 0].mean()), 4)
    print(json.dumps({"cranfield nDCG@10": result, "alpha": alpha}))


def tune(data, count, embed):
    """The a of most recall@10 on generated questions (of the middle, where several are best)."""
    from embedder_data import load
    from embedder_pairs import PairMaker
    maker = PairMaker(load(data), held_out=True, kinds=(1, 0, 0, 0), exchange=0)
    texts = [[maker.text([t for t in row if t > 3]) for row in rows]
             for rows in maker.batch(7, count, 8, 224, 40)]
    lexical, dense = bm25(*texts), embed(texts[0]) @ embed(texts[1]).T
    wanted, grid = np.arange(count), np.linspace(0, 1, 21)
    curve = [figures(ranks(a * scaled(dense) + (1 - a) * scaled(lexical), wanted)) for a in grid]
    best = max(c["recall@10"] for c in curve)
    good = [a for a, c in zip(grid, curve) if c["recall@10"] == best]
    for a, c in zip(grid, curve):
        print(f"a {a:.2f}: " + ", ".join(f"{k} {v:.4f}" for k, v in c.items()))
    print(f"alpha {float(np.median(good)):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("--issun", default="build/release/bin/issun", help="the program")
    parser.add_argument("--jsquad", help="valid-v1.3.json")
    parser.add_argument("--jsts", help="valid-v1.3.json")
    parser.add_argument("--cranfield", help="folder")
    parser.add_argument("--windows", type=int, default=0, help="characters; 0: whole paragraphs only")
    parser.add_argument("--alpha", type=float, nargs="+", default=[0.5],
                        help="weights of the embedder in hybrid; the sets but JSQuAD take the first")
    parser.add_argument("--tune", help="training data (.npz.xz): find alpha on what it holds out")
    parser.add_argument("--tune-pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="of the intervals")
    args = parser.parse_args()
    embed = lambda texts: issun_vectors(args.issun, args.model, texts)
    if args.tune:
        tune(args.tune, args.tune_pairs, embed)
    if args.jsquad:
        questions, wanted, paragraphs = jsquad(args.jsquad)
        texts = [f"{title} {text}" for title, text in paragraphs]
        lexical = {"bm25 bigrams": bm25(questions, texts),
                   "bm25 uni- and bigrams": bm25(questions, texts, (1, 2))}
        dense = dense_scores(embed, questions, paragraphs, args.windows)
        report(f"jsquad: {len(questions)} questions, {len(paragraphs)} paragraphs", lexical, dense,
               wanted, args.alpha, np.random.default_rng(args.seed))
    if args.jsts:
        jsts(args.jsts, embed)
    if args.cranfield:
        cranfield(args.cranfield, embed, args.alpha[0])


if __name__ == "__main__":
    main()
