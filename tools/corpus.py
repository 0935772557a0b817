#!/usr/bin/env python3
"""Makes the training corpus: free Japanese and English text, deduplicated, with a held-out part.

    corpus.py --sources DIR --out DIR

DIR of the sources holds a checkout of each repository of SOURCES, in a folder named owner+name.
Writes train.{ja,en}.jsonl, held.{ja,en}.jsonl (one document a line) and sources.json.
"""

import argparse
import hashlib
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

from corpus_dedupe import ShingleTable, sampled_shingles
from corpus_docs import read_markdown, read_po, read_rst, with_includes
from corpus_prose import (Rejected, is_old_spelling, read_aozora, read_markdown_novel,
                          read_plain_novel, read_tei)


class Source(NamedTuple):
    """Files of one repository. Language 'auto': by script; of two copies the later row's goes."""
    repository: str
    commit: str
    licence: str
    language: str
    kind: str
    glob: str
    reader: Callable
    leave_out: str = "$^"  # paths that match are not read
    style: str = ""


NOVELS_AFTER_1930 = r"_19(3[1-9]|[4-9]\d)\.txt$"

SOURCES = [
    Source("aozorahack/aozorabunko_text", "0984f7dc18a2270bdfd2ff99bf14fd1b3ebb4f65",
           "public domain", "ja", "novel", "cards/*/files/**/*.txt", read_aozora),
    Source("mlschmitt/classic-books-markdown", "944882722e9a96fa6cf2739dc2ea757e101f412f",
           "public domain", "en", "novel", "*/*.md", read_markdown_novel),
    Source("COST-ELTeC/ELTeC-eng", "3db3b6738a836f0e1b276b6c9703e42f4297f978",
           "public domain, markup CC BY 4.0", "en", "novel", "level1/*.xml", read_tei),
    Source("computationalstylistics/100_english_novels", "143e601875d70e195f2cc5ebd8b034609271194d",
           "public domain", "en", "novel", "corpus/*.txt", read_plain_novel, NOVELS_AFTER_1930),
    Source("computationalstylistics/A_Small_Collection_of_British_Fiction",
           "fb0f828d09becbbd5a9c13b24f17603ea24c178b", "public domain",
           "en", "novel", "corpus/*.txt", read_plain_novel),
    Source("rust-lang-ja/book-ja", "822ffbb7b5ecf28ff5393e4057c8b9189a5d3fe1", "MIT OR Apache-2.0",
           "auto", "docs", "src/*.md", read_markdown, "SUMMARY"),
    Source("rust-lang/book", "917544888a55e4da7109bdba8c88c893c0da70f4", "MIT OR Apache-2.0",
           "auto", "docs", "src/*.md", read_markdown, "SUMMARY"),
    Source("rust-lang/reference", "3b38834b39f732c64686f7c64aa29dcf3cd83ba5", "MIT OR Apache-2.0",
           "auto", "docs", "src/**/*.md", read_markdown, "SUMMARY"),
    Source("rust-lang/rust-by-example", "898f0ac1479223d332309e0fce88d44b39927d28",
           "MIT OR Apache-2.0", "auto", "docs", "src/**/*.md", read_markdown, "SUMMARY"),
    Source("rust-lang/rust-by-example", "898f0ac1479223d332309e0fce88d44b39927d28",
           "MIT OR Apache-2.0", "auto", "docs", "po/ja.po", read_po),
    Source("reactjs/ja.react.dev", "7f38231d9d5dddaae6ac51da7d0f173d697f835c", "CC BY 4.0",
           "auto", "docs", "src/content/**/*.md", read_markdown),
    Source("vuejs-translations/docs-ja", "c627102bfabf8bc5ecaa6eb763b965a0a5d43a5b", "CC BY 4.0",
           "auto", "docs", "src/**/*.md", read_markdown),
    Source("angular/angular-ja", "bef08283ed21dab89344f884419a98861f2a0d14", "MIT",
           "auto", "docs", "adev-ja/**/*.md", read_markdown),
    Source("zembutsu/docs.docker.jp", "607a9b6fb5b94364652d48aa29f70ba5c8ed4846", "Apache-2.0",
           "auto", "docs", "**/*.rst", read_rst, r"^(pdf-download|release-notes)"),
    Source("electron/i18n", "b5831481c16a6e46c903c3dae849440f030171ef",
           "BSD-3-Clause, documents MIT", "auto", "docs", "content/en-US/**/*.md", read_markdown),
    Source("electron/i18n", "b5831481c16a6e46c903c3dae849440f030171ef",
           "BSD-3-Clause, documents MIT", "auto", "docs", "content/ja-JP/**/*.md", read_markdown),
    Source("microsoft/IoT-For-Beginners", "8bd535533b39c8b70e2b027f69e18ac842812968", "MIT",
           "auto", "docs", "[1-6]-*/**/*.md", read_markdown, "translations/"),
    Source("microsoft/IoT-For-Beginners", "8bd535533b39c8b70e2b027f69e18ac842812968", "MIT",
           "auto", "docs", "translations/ja/**/*.md", read_markdown, style="machine"),
    Source("github/opensource.guide", "ebc9678e39b55ff5e5c8801d1960904692188e90", "CC BY 4.0",
           "auto", "docs", "_articles/*.md", read_markdown),
    Source("github/opensource.guide", "ebc9678e39b55ff5e5c8801d1960904692188e90", "CC BY 4.0",
           "auto", "docs", "_articles/ja/*.md", read_markdown),
]

SHINGLE_LETTERS = {"ja": 30, "en": 60}  # 60 English letters are about 13 words
SHINGLE_KANJI = 10
NOT_KANJI = re.compile(r"[^\u4e00-\u9fff]")
KANA = re.compile(r"[ぁ-んァ-ヶ]")
LETTERS = re.compile(r"[^\W\d_]")


class Document(NamedTuple):
    """Where a cleaned document lies in the scratch file, and what it is."""
    source: int  # row of SOURCES
    id: str
    lang: str
    style: str
    start: int  # byte offsets in the scratch file
    size: int
    digest: str


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--sources", type=Path, required=True, help="folder of checkouts named owner+name")
    add("--out", type=Path, required=True, help="folder to write; made if it is not there")
    add("--held-bytes", type=int, default=3_000_000, help="held-out bytes a language (3000000)")
    add("--held-docs-share", type=float, default=0.2, help="share of docs in --held-bytes (0.2)")
    add("--held-min", type=int, default=4000, help="least bytes of a held-out text (4000)")
    add("--held-max", type=int, default=300_000, help="most bytes of a held-out text (300000)")
    add("--min-characters", type=int, default=200, help="shorter documents are dropped (200)")
    add("--containment", type=float, default=0.2,
        help="share found in other documents that drops a document (0.2)")
    add("--held-overlap", type=float, default=0.02,
        help="share with a held-out document that drops a training document (0.02)")
    add("--sample", type=int, default=16, help="one shingle in this many is kept (16)")
    return parser.parse_args()


def language_of(text, declared):
    """'ja' when a tenth of the letters is kana, unless the source says."""
    if declared != "auto":
        return declared
    letters = len(LETTERS.findall(text))
    return "ja" if len(KANA.findall(text)) > 0.1 * letters else "en"


def check(text, min_characters):
    """Raises Rejected for text too short or too garbled to learn from."""
    if len(text) < min_characters:
        raise Rejected("short")
    if text.count("\ufffd") > len(text) / 1000:
        raise Rejected("garbled")


def shingles_of(text, lang, modulus):
    """Sampled shingles; in Japanese also of the kanji alone, which other kana spellings share."""
    hashes = sampled_shingles(text, SHINGLE_LETTERS[lang], modulus)
    if lang == "ja":
        kanji = NOT_KANJI.sub("", text)
        hashes = np.union1d(hashes, sampled_shingles(kanji, SHINGLE_KANJI, modulus))
    return hashes


def read_source(row, root, options, scratch, dropped):
    """Cleans the files of one source into the scratch file; yields (document, shingles)."""
    source = SOURCES[row]
    for path in sorted(root.glob(source.glob)):
        name = path.relative_to(root).as_posix()
        if re.search(source.leave_out, name) or not path.is_file():
            continue
        try:
            raw = path.read_bytes()
            if source.reader is read_markdown:
                raw = with_includes(raw, path.parent)
            texts = source.reader(raw)
        except Rejected as reason:
            dropped[row][str(reason)] += 1
            continue
        for part, text in enumerate([texts] if isinstance(texts, str) else texts):
            try:
                check(text, options.min_characters)
            except Rejected as reason:
                dropped[row][str(reason)] += 1
                continue
            lang = language_of(text, source.language)
            style = source.style or ("old" if lang == "ja" and is_old_spelling(text) else "modern")
            raw = text.encode("utf-8", errors="replace")
            label = name if isinstance(texts, str) else f"{name}#{part}"
            digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
            document = Document(row, label, lang, style, scratch.tell(), len(raw), digest)
            scratch.write(raw)
            yield document, shingles_of(text, lang, options.sample)


def preference(document):
    """Sort key: larger first, in steps of 30 %, then modern spelling, then the order of SOURCES."""
    step = round(math.log(document.size) / math.log(1.3))
    return -step, document.style == "old", document.source, document.digest


def choose_held(documents, kept, options):
    """Held-out documents: moderate size, both kinds, in the order of their content hash."""
    held = []
    for kind, share in (("docs", options.held_docs_share), ("novel", 1 - options.held_docs_share)):
        budget = share * options.held_bytes
        able = [d for d in kept if SOURCES[documents[d].source].kind == kind
                and documents[d].style != "machine"
                and options.held_min <= documents[d].size <= options.held_max]
        for d in sorted(able, key=lambda d: documents[d].digest):
            if documents[d].size <= budget:
                held.append(d)
                budget -= documents[d].size
    return held


def split_language(lang, documents, shingles, options, dropped):
    """(training, held-out) document numbers of one language."""
    mine = [d for d, document in enumerate(documents) if document.lang == lang]
    local = [documents[d] for d in mine]
    table = ShingleTable([shingles[d] for d in mine])
    order = sorted(range(len(local)), key=lambda d: preference(local[d]))
    kept = table.first_copies(order, options.containment)
    for d in order:
        dropped[local[d].source]["duplicate"] += int(not kept[d])
    kept = [d for d in range(len(local)) if kept[d]]
    held = choose_held(local, kept, options)
    train = sorted(set(kept) - set(held))
    close = set(table.near(held, train, options.held_overlap))
    for d in close:
        dropped[local[d].source]["near held-out"] += 1
    return [local[d] for d in train if d not in close], [local[d] for d in held]


def write_jsonl(path, documents, load):
    with open(path, "w", encoding="utf-8") as out:
        for document in documents:
            source = SOURCES[document.source]
            record = {"text": load(document), "source": source.repository, "id": document.id,
                      "lang": document.lang, "kind": source.kind, "style": document.style}
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def summary(splits, dropped):
    """The content of sources.json: one entry a row of SOURCES."""
    rows = []
    for row, source in enumerate(SOURCES):
        entry = {"repository": source.repository, "commit": source.commit,
                 "licence": source.licence, "kind": source.kind, "glob": source.glob,
                 "dropped": dict(dropped[row])}
        for name, documents in splits.items():
            mine = [d for d in documents if d.source == row]
            if mine:
                entry[name] = {"documents": len(mine), "bytes": sum(d.size for d in mine),
                               "old_style_bytes": sum(d.size for d in mine if d.style == "old")}
        rows.append(entry)
    totals = {name: {"documents": len(documents), "bytes": sum(d.size for d in documents)}
              for name, documents in splits.items()}
    return {"totals": totals, "sources": rows}


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    dropped = [Counter() for _ in SOURCES]
    documents, shingles = [], []
    scratch_path = options.out / "scratch.tmp"
    with open(scratch_path, "w+b") as scratch:
        for row, source in enumerate(SOURCES):
            root = options.sources / source.repository.replace("/", "+")
            if not root.is_dir():
                sys.exit(f"{root}: expected a checkout of {source.repository}")
            for document, hashes in read_source(row, root, options, scratch, dropped):
                documents.append(document)
                shingles.append(hashes)
            print(f"{source.repository} {source.glob}: {len(documents)} documents so far, "
                  f"{scratch.tell() / 1e6:.1f} MB", file=sys.stderr)

        def load(document):
            scratch.seek(document.start)
            return scratch.read(document.size).decode("utf-8")

        splits = {}
        for lang in ("ja", "en"):
            train, held = split_language(lang, documents, shingles, options, dropped)
            splits[f"train.{lang}"], splits[f"held.{lang}"] = train, held
            for name in (f"train.{lang}", f"held.{lang}"):
                write_jsonl(options.out / f"{name}.jsonl", splits[name], load)
    scratch_path.unlink()
    report = summary(splits, dropped)
    (options.out / "sources.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["totals"], indent=1))


if __name__ == "__main__":
    main()
