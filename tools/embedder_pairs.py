"""Makes (query, passage) pairs for the embedder out of plain documents, by rules.

A passage is some consecutive sentences; a query is made of pieces of it: a question about one of its
sentences with the answer taken out, key words, or a damaged sentence. Several passages come from one
document, so that a batch holds near misses; kanji and katakana are exchanged for others, alike in
query and passage, so that names never seen must be matched by their characters.
"""
import numpy as np

from embedder_data import vocabulary_of
from embedder_vocabulary import BOS, CLASSES, PAD, SPACE, token_class

JA_ENDS = ("は何か。 は何ですか? とは何か? は? はどこか。 はどこですか? は誰か? は誰ですか。 はいつ? はいつか。 "
           "はいつですか? という を何という? を何というか。 は何年か。 は何人? はいくつあるか。 はどのようなものか。 "
           "は何と呼ばれるか。 について はなぜか。 の名前は? は何のためか。 はどんなことですか? はどれか。 "
           "はどうなったか。 とは").split(" ") + ["", "?", "。"]
JA_WORDS = "何 誰 どこ いつ どの 何年 何人 どんな いくつ 何という どのような どれ".split()
JA_PARTICLES = "の は が を に で と も から では への において".split()
EN_STARTS = ["what is", "what", "who", "who was", "when did", "where is", "which", "how many",
             "how does", "why", "what are", "in what", "how", "", ""]
KINDS = ("question", "keywords", "damaged", "apart")


class PairMaker:
    """Batches of pairs; the same seed gives the same batches."""

    def __init__(self, arrays, held_out=False, kinds=(0.6, 0.15, 0.17, 0.08), exchange=0.4):
        self.vocabulary = vocabulary_of(arrays)
        self.tokens, self.offsets = arrays["tokens"].astype(np.int32), arrays["offsets"]
        starts = np.unpackbits(arrays["starts"])[:len(self.tokens)].astype(bool)
        documents = np.searchsorted(self.offsets, np.flatnonzero(starts), side="right") - 1
        wanted = arrays["held_out"][documents] == held_out
        self.sentences = np.flatnonzero(starts)  # where each begins
        self.document = documents
        self.choices = np.flatnonzero(wanted)
        self.english = arrays["english"]
        self.kinds, self.exchange = np.cumsum(kinds), exchange
        pieces = self.vocabulary.pieces
        self.classes = np.array([token_class(p) for p in pieces])
        self.classes[:4] = CLASSES["special"]
        self.begins_word = np.array([p.startswith(SPACE) for p in pieces])
        counts = np.bincount(self.tokens, minlength=len(pieces))
        latin = np.flatnonzero((self.classes == CLASSES["latin"]) & self.begins_word)
        self.function = self.classes == CLASSES["hiragana"]
        self.function[latin[np.argsort(-counts[latin])[:110]]] = True
        content = [CLASSES[c] for c in ("kanji", "katakana", "latin", "digit")]
        self.content = np.isin(self.classes, content) & ~self.function
        self.single = {c: np.array([i for i in np.flatnonzero(self.classes == CLASSES[c])
                                    if len(pieces[i]) == 1]) for c in ("kanji", "katakana")}
        self.space = self.vocabulary.ids[SPACE]

    def windows(self, rng, count, longest):
        """Some consecutive passages of one document (or of it and the next): lists of sentences."""
        at, out = int(rng.choice(self.choices)), []
        first = at
        while len(out) < count:
            want, sentences, size = int(rng.integers(longest // 3, longest)), [], 0
            if at >= len(self.sentences) - 1 or self.document[at] - self.document[first] > 3:
                at = first = int(rng.choice(self.choices))
            document = self.document[at]
            while at < len(self.sentences) - 1 and self.document[at] == document:
                begin, end = self.sentences[at], self.sentences[at + 1]
                end = min(end, self.offsets[document + 1], begin + longest - 2)
                if size and size + end - begin > want:
                    break
                sentences.append(self.tokens[begin:end].tolist())
                size += end - begin
                at += 1
                if size >= want:
                    break
            if size >= 20:
                out.append((sentences, bool(self.english[document])))
        return out

    def chunks(self, sentence):
        """[(content tokens, tokens of particles or endings after them)] of a sentence."""
        out, before = [], None  # before: the list that took the token before
        for t in sentence:
            latin = self.classes[t] == CLASSES["latin"]
            if latin and not self.begins_word[t] and before is not None and was_latin:
                before.append(t)  # the rest of a word
            elif self.content[t]:
                if not out or before is not out[-1][0] or self.begins_word[t]:
                    out.append(([], []))
                before = out[-1][0]
                before.append(t)
            elif self.function[t]:
                if not out:
                    out.append(([], []))
                before = out[-1][1]
                before.append(t)
            else:
                before = None
            was_latin = latin
        return out

    def text(self, tokens):
        return "".join(self.vocabulary.pieces[t] for t in tokens).replace(SPACE, " ")

    def phrase(self, rng, chunk, english):
        """A chunk as a query may say it: shortened, with another particle, or none."""
        content, tail = chunk
        if len(content) >= 3 and not english and rng.random() < 0.15:
            cut = int(rng.integers(1, len(content) - 1))
            content = content[cut:] if rng.random() < 0.5 else content[:-cut]
        chance = rng.random()
        text = self.text(content)
        if english:
            return text + (self.text(tail) if chance < 0.6 else "")
        if chance < 0.5:
            return text + self.text(tail)
        return text + (str(rng.choice(JA_PARTICLES)) if chance < 0.75 else "")

    def question(self, rng, sentence, english, topic):
        chunks = self.chunks(sentence)
        if len(chunks) > 12:
            begin = int(rng.integers(0, len(chunks) - 11))
            chunks = chunks[begin:begin + int(rng.integers(5, 12))]
        answer = int(rng.integers(0, len(chunks))) if len(chunks) > 1 else -1
        kept = [c for i, c in enumerate(chunks) if i != answer and rng.random() < 0.75] or chunks[:3]
        kept = kept[:int(rng.integers(2, 9))]
        if rng.random() < 0.2:
            kept = [kept[i] for i in rng.permutation(len(kept))]
        if rng.random() < 0.25:  # a word that the passage may not have
            elsewhere = int(rng.choice(self.choices[:-1]))
            if self.english[self.document[elsewhere]] == english:
                begin, end = self.sentences[elsewhere], self.sentences[elsewhere + 1]
                others = self.chunks(self.tokens[begin:min(end, begin + 60)].tolist())
                if others:
                    kept.insert(int(rng.integers(0, len(kept) + 1)),
                                others[int(rng.integers(0, len(others)))])
        parts = [self.phrase(rng, c, english) for c in kept]
        if topic and rng.random() < 0.5:
            parts.insert(0, topic + ("" if english else str(rng.choice(JA_PARTICLES))))
        if english:
            return str(rng.choice(EN_STARTS)) + " " + "".join(parts) + str(rng.choice(["?", "", " ?"]))
        if rng.random() < 0.35:
            parts.insert(int(rng.integers(0, len(parts) + 1)), str(rng.choice(JA_WORDS)))
        return "".join(parts) + str(rng.choice(JA_ENDS))

    def keywords(self, rng, sentences, english):
        words = [c[0] for s in sentences for c in self.chunks(s) if c[0]]
        if not words:
            return self.text(sentences[0])
        chosen = rng.choice(len(words), min(len(words), int(rng.integers(2, 6))), replace=False)
        joint = " " if english or rng.random() < 0.6 else "の"
        return joint.join(self.text(words[i]).strip() for i in chosen)

    def query(self, rng, sentences, english, topic):
        """A query, and the sentences that its passage keeps."""
        kind = KINDS[int(np.searchsorted(self.kinds, rng.random()))]
        long_ones = [i for i, s in enumerate(sentences) if len(s) > 9] or [0]
        at = int(rng.choice(long_ones))
        sentence = sentences[at]
        if kind == "question" and rng.random() < 0.3:
            sentence = [t for s in sentences[at:at + 2] for t in s]
        if kind == "keywords":
            return self.keywords(rng, sentences, english), sentences
        if kind == "question" or len(sentences) < 3:
            return self.question(rng, sentence, english, topic), sentences
        keep = rng.random(len(sentence)) > (rng.uniform(0.1, 0.6) if kind == "damaged" else 0.0)
        text = self.text([t for t, k in zip(sentence, keep) if k][:60])
        return text, sentences if kind == "damaged" else sentences[:at] + sentences[at + 1:]

    def topic(self, rng, group, english):
        """What the passages of a group speak of: a run of content that recurs."""
        counts = {}
        for sentences, _ in group:
            for sentence in sentences:
                for content, _ in self.chunks(sentence):
                    if 2 <= len(content) <= 10 or (english and content):
                        text = self.text(content).strip()
                        counts[text] = counts.get(text, 0) + 1
        best = sorted(counts, key=lambda t: -counts[t] - 0.5 * rng.random())[:3]
        return str(rng.choice(best)) if best else ""

    def exchanged(self, rng):
        """A table of tokens in which a share of kanji and katakana are exchanged for others."""
        table = np.arange(len(self.vocabulary.pieces))
        for name in ("kanji", "katakana"):
            some = self.single[name][rng.random(len(self.single[name])) < rng.uniform(0.1, 0.7)]
            table[some] = rng.permutation(some) if name == "katakana" else rng.choice(
                self.single[name], len(some), replace=False)
        return table

    def batch(self, seed, pairs, group_size, passage_length, query_length):
        """Token ids (pairs, query_length) and (pairs, passage_length), filled up with <pad>."""
        rng = np.random.default_rng(seed)
        queries = np.full((pairs, query_length), PAD, np.int16)
        passages = np.full((pairs, passage_length), PAD, np.int16)
        for first in range(0, pairs, group_size):
            group = self.windows(rng, min(group_size, pairs - first), passage_length - 12)
            english = group[0][1]
            topic = self.topic(rng, group, english) if rng.random() < 0.6 else ""
            titled = topic and rng.random() < 0.7
            table = self.exchanged(rng) if rng.random() < self.exchange else None
            for i, (sentences, english) in enumerate(group, first):
                query, kept = self.query(rng, sentences, english, topic)
                text = self.text([t for s in kept for t in s]).strip()
                for row, said in ((queries[i], query), (passages[i], f"{topic} {text}" if titled else text)):
                    ids = np.array([BOS] + self.vocabulary.encode(said.strip())[:len(row) - 1])
                    row[:len(ids)] = ids if table is None else table[ids]
        return queries, passages


def serve_batches(arrays, first, step, seed, shape_of, queue, kinds_and_exchange):
    """A process of its own: puts the batches first, first + step, ... into a queue, forever."""
    maker = PairMaker(arrays, **kinds_and_exchange)
    at = first
    while True:
        queue.put(maker.batch((seed, at), *shape_of(at)))
        at += step
