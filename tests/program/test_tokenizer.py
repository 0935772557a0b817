"""issun tokenizer train: the file it writes is used, and what it refuses is named."""
import json
import random

import program
from program import ProgramTest

random.seed(5)


def made_up(syllables, before, after):
    """Sentences whose words are a few syllables each."""
    words = ("".join(random.choices(syllables, k=random.randint(2, 4))) for _ in range(300))
    return "".join(before + word + after for word in words)


ENGLISH = made_up(("na", "me", "ta", "lo", "ri", "th"), "It was the best of ", ".\n")
JAPANESE = made_up(("の", "猫", "ある", "無", "い", "かな"), "吾輩は", "である。\n　「１匹ｶﾞいた」\n")
TYPES = {"bpe": 400, "unigram": 370}


class Train(ProgramTest):
    def setUp(self):
        super().setUp()
        self.texts = self.folder / "texts"
        (self.texts / "deep").mkdir(parents=True)
        (self.texts / "english.txt").write_text(ENGLISH)
        (self.texts / "deep" / "japanese.md").write_text(JAPANESE)
        (self.texts / "more.jsonl").write_text(json.dumps({"id": 1, "text": "wisdom, times"}) + "\n")

    def train(self, kind, *more, out="out.gguf", size=None):
        path = self.folder / out
        done = self.succeed("tokenizer", "train", "--type", kind, "--vocab-size",
                            size or TYPES[kind], "--out", path, "--json", self.texts, *more)
        report = json.loads(done.text)
        self.assertEqual(report["tokens"], size or TYPES[kind])
        self.assertEqual(report["files"], 3)
        return path

    def tokens(self, path, text, *more):
        return json.loads(self.succeed("tokenize", path, "--json", *more, stdin=text.encode()).text)

    def detokenized(self, path, tokens):
        return self.succeed("detokenize", path, "--tokens", ",".join(map(str, tokens))).text[:-1]

    def test_texts_come_back_and_take_few_tokens(self):
        for kind in TYPES:
            with self.subTest(kind=kind):
                path = self.train(kind)
                for text in (ENGLISH, JAPANESE, "  new\n\n\twords 🐈 🎌 \x01 naïve  "):
                    done = self.tokens(path, text)
                    self.assertEqual(self.detokenized(path, done["tokens"]), text)
                self.assertLess(self.tokens(path, ENGLISH)["count"], len(ENGLISH) / 2)
                self.assertLess(self.tokens(path, JAPANESE)["count"], len(JAPANESE))
                self.succeed("inspect", path)

    def test_the_threads_do_not_show_in_the_file(self):
        for kind in TYPES:
            with self.subTest(kind=kind):
                files = [self.train(kind, "-t", threads, out=f"{threads}.gguf").read_bytes()
                         for threads in (1, 2, 5)]
                self.assertEqual(files[0], files[1])
                self.assertEqual(files[0], files[2])

    def test_chat_markers_are_one_token_and_nothing_is_learnt_from_them(self):
        (self.texts / "english.txt").write_text("<|im_start|>user\nHi<|im_end|>\n" * 200 + ENGLISH)
        for kind in TYPES:
            with self.subTest(kind=kind):
                path = self.train(kind)
                tokens = self.tokens(path, "<|im_start|>user", "--no-bos")["tokens"]
                plain = self.tokens(path, "user", "--no-bos")["tokens"]
                self.assertEqual(tokens[1:], plain)
                spelt = self.tokens(path, "<|im_start|>", "--no-bos", "--no-parse-special")
                self.assertGreater(spelt["count"], 6)
                path = self.train(kind, "--special", "<|user|>", "--special", "<|end|>")
                self.assertEqual(self.tokens(path, "<|user|><|end|>", "--no-bos")["count"], 2)
                path = self.train(kind, "--no-special")
                self.assertGreater(self.tokens(path, "<|im_end|>", "--no-bos")["count"], 1)

    def test_nfkc_is_recorded_for_unigram_and_refused_for_bpe(self):
        path = self.train("unigram", "--normalize", "nfkc")
        self.assertEqual(self.tokens(path, "ＷＡＳ ｶﾞ\u3000①か\u3099"), self.tokens(path, "WAS ガ 1が"))
        plain = self.train("unigram", "--normalize", "none")
        self.assertNotEqual(self.tokens(plain, "ＷＡＳ"), self.tokens(plain, "WAS"))
        self.refuse_training("bpe", 400, "--normalize", "nfkc", naming=("nfkc", "bpe"))

    def test_rare_characters_are_unknown_where_bytes_are_not_wanted(self):
        path = self.train("unigram", "--no-byte-fallback", size=120)
        self.assertEqual(self.tokens(path, "🐈", "--no-bos")["tokens"], [0])

    def refuse_training(self, kind, size, *more, inputs=None, status=1, naming=()):
        out = self.folder / "refused.gguf"
        self.refuse("tokenizer", "train", "--type", kind, "--vocab-size", size, "--out", out,
                    *(inputs or [self.texts]), *more, status=status, naming=naming)
        self.assertFalse(out.exists())

    def test_sizes_that_cannot_be_are_refused_with_the_numbers(self):
        self.refuse_training("bpe", 259, naming=("at least 260", "found 259"))
        self.refuse_training("unigram", 259, naming=("at least", "256 bytes", "found 259"))
        for kind in TYPES:
            self.refuse_training(kind, 5000, naming=("at most", "found 5000"))
            self.refuse_training(kind, 0, status=2, naming=("--vocab-size",))

    def test_the_size_that_was_possible_is_possible(self):
        for kind in TYPES:
            with self.subTest(kind=kind):
                done = program.issun("tokenizer", "train", "--type", kind, "--vocab-size", 5000,
                                     "--out", self.folder / "x", self.texts)
                size = int(done.err.decode().split("at most ")[1].split(",")[0])
                self.train(kind, size=size)
                self.train(kind, size=size - 20)

    def test_texts_that_cannot_be_read_are_named(self):
        bad = self.folder / "bad.txt"
        bad.write_bytes(b"abc\xff")
        self.refuse_training("bpe", 300, inputs=[bad], naming=("bad.txt", "UTF-8", "byte 3"))
        bad.write_bytes(b"")
        self.refuse_training("unigram", 300, inputs=[bad], naming=("text to learn from",))
        self.refuse_training("bpe", 300, inputs=[self.folder / "none"], naming=("none",))
        lines = self.folder / "bad.jsonl"
        lines.write_text('{"text": "a"}\n{"text": 1}\n')
        self.refuse_training("bpe", 300, inputs=[lines], naming=("bad.jsonl", "line 2"))

    def test_flags_of_the_other_type_are_wrong_use(self):
        self.refuse_training("unigram", 400, "--pre", "gpt-2", status=2, naming=("--pre", "bpe"))
        for flag in (("--character-coverage", 1), ("--no-byte-fallback",), ("--no-split-by-number",)):
            self.refuse_training("bpe", 400, *flag, status=2, naming=("unigram",))
        self.refuse_training("bpe", 400, "--seed", 1, status=2, naming=("--sample-bytes",))
        self.refuse_training("bpe", 400, "--pre", "nonsense", naming=("nonsense", "qwen2"))
        self.refuse_training("bpe", 400, "--pre", "gemma4", naming=("gemma4",))
        self.refuse_training("bpe", 400, "--special", "<s>", naming=("<s>",))


if __name__ == "__main__":
    program.main()
