"""pretrain, tune and merge: a model made from nothing, killed and taken up again, taught and merged."""
import json
import random
import resource
import signal
import subprocess
import time

import program
from program import BINARY, ProgramTest

WORDS = ("one inch long the boy set out in a bowl with a needle for a sword and a straw for its "
         "sheath to see the capital where an ogre lived who swallowed people whole").split()


def text(sentences, seed):
    choose = random.Random(seed)
    return "\n".join(" ".join(choose.choice(WORDS) for _ in range(9)) + "." for _ in range(sentences))


def config(**training):
    return {
        "model": {"architecture": "llama", "name": "needle", "embedding_length": 32, "layers": 2,
                  "heads": 2, "feed_forward_length": 64, "context_length": 64},
        "tokenizer": {"type": "bpe", "vocabulary_size": 300},
        "data": {"split": "blank-lines", "paragraph_bytes": 400},
        "training": {"sequence_length": 32, "batch_sequences": 4, "steps": 24, "learning_rate": 1e-2,
                     "warmup_steps": 4, "valid_share": 0.1, "valid_every": 6, "checkpoint_every": 4,
                     **training},
    }


class Training(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "texts"
        self.data.mkdir()
        for i in range(6):
            (self.data / f"{i}.txt").write_text("\n\n".join(text(8, 10 * i + j) for j in range(6)))

    def write_config(self, name="config.json", **training):
        path = self.folder / name
        path.write_text(json.dumps(config(**training)))
        return path

    def pretrain(self, out, *more, config=None, threads=2):
        return program.issun("pretrain", "--config", config or self.write_config(), "--data",
                             self.data, "--out", self.folder / out, "-t", threads, *more)

    def curve(self, out):
        """Step -> what depends on the training alone, not on the clock."""
        rows = (self.folder / out / "curve.csv").read_text().splitlines()
        columns = rows[0].split(",")
        kept = [i for i, c in enumerate(columns) if c not in ("tokens_per_second", "seconds")]
        return {row.split(",")[0]: [row.split(",")[i] for i in kept] for row in rows[1:]}

    def test_a_model_is_made_runs_and_is_the_same_again(self):
        done = self.pretrain("a", "--json")
        self.assertEqual(done.status, 0, done.err)
        figures = json.loads(done.text)
        self.assertTrue(figures["finished"])
        self.assertLess(figures["valid_loss"], 4.5)
        model = self.folder / "a" / "model.gguf"
        self.assertEqual(program.issun("verify", model).status, 0)
        said = program.issun("run", model, "-p", "the boy", "-n", "8", "--temp", "0")
        self.assertEqual(said.status, 0, said.err)
        self.assertIn("<svg", (self.folder / "a" / "curve.svg").read_text())
        # One thread, the same bits.
        self.assertEqual(self.pretrain("b", threads=1).status, 0)
        self.assertEqual(model.read_bytes(), (self.folder / "b" / "model.gguf").read_bytes())
        # Once more: nothing is left to do.
        again = self.pretrain("a", "--json")
        self.assertEqual(json.loads(again.text)["steps"], 24)

    def test_a_run_that_is_killed_goes_on_bit_for_bit(self):
        settings = self.write_config("long.json", steps=500, checkpoint_every=5)
        began = time.monotonic()
        self.assertEqual(self.pretrain("whole", config=settings).status, 0)
        seconds = time.monotonic() - began
        killed = ("pretrain", "--config", settings, "--data", self.data, "--out", self.folder / "killed",
                  "-t", "2")
        self.assertGreater(program.finish_through_kills(killed, seed=5, whole_seconds=seconds), 0)
        self.assertEqual((self.folder / "whole/model.gguf").read_bytes(),
                         (self.folder / "killed/model.gguf").read_bytes())
        self.assertEqual(self.curve("whole"), self.curve("killed"))
        left = {p.name for p in (self.folder / "killed").iterdir()}
        self.assertFalse({name for name in left if ".part" in name}, left)

    def test_ctrl_c_leaves_a_checkpoint(self):
        process = subprocess.Popen(
            [BINARY, "pretrain", "--config", self.write_config("long.json", steps=100000), "--data",
             self.data, "--out", self.folder / "stopped", "--json"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        for _ in range(300):
            time.sleep(0.1)
            if list((self.folder / "stopped").glob("checkpoint-*.issun")):
                break
        process.send_signal(signal.SIGINT)
        figures = json.loads(process.communicate(timeout=60)[0])
        self.assertEqual(process.returncode, 0)
        self.assertFalse(figures["finished"])
        names = {p.name for p in (self.folder / "stopped").glob("checkpoint-*.issun")}
        self.assertTrue(any(str(figures["steps"]) in name for name in names), names)

    def test_a_full_disk_leaves_the_checkpoints_as_they_are(self):
        self.assertEqual(self.pretrain("full", "--until", "8").status, 0)
        before = {p.name: p.read_bytes() for p in (self.folder / "full").glob("checkpoint-*")}

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        # The tokenizer and the tokens are there already; random weights are written first.
        process = subprocess.run(
            [BINARY, "pretrain", "--config", self.write_config(), "--data", self.data, "--out",
             self.folder / "full"], capture_output=True, preexec_fn=small_files)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"File too large", process.stderr)
        after = {p.name: p.read_bytes() for p in (self.folder / "full").glob("checkpoint-*")}
        self.assertEqual(before, after)
        self.assertEqual(self.pretrain("full").status, 0)
        self.assertEqual(self.pretrain("straight").status, 0)
        self.assertEqual((self.folder / "full/model.gguf").read_bytes(),
                         (self.folder / "straight/model.gguf").read_bytes())

    def test_what_is_wrong_is_named(self):
        def fails(*expected, config=None, out="wrong", data=None, more=()):
            path = self.folder / "wrong.json"
            path.write_text(config if isinstance(config, str) else json.dumps(config))
            done = program.issun("pretrain", "--config", path, "--data", data or self.data,
                                  "--out", self.folder / out, *more)
            self.assertEqual(done.status, 1, done.err)
            for part in expected:
                self.assertIn(part, done.err.decode())

        good = config()

        def changed(part, **values):
            return {**good, part: {**good[part], **values}}

        fails("JSON", config="{")
        fails("training.learning_rat", "no such key", config=changed("training", learning_rat=1))
        fails("training.batch_sequences", "whole number", config=changed("training", batch_sequences=0))
        fails("one of steps, epochs and tokens", config=changed("training", epochs=1))
        fails("model.heads", config=changed("model", heads=5))
        fails("model.architecture", "gpt7", config=changed("model", architecture="gpt7"))
        fails("sequence_length", "context_length", config=changed("training", sequence_length=65))
        fails("none.txt", config=good, data=self.folder / "none.txt")
        empty = self.folder / "empty"
        empty.mkdir()
        (empty / "a.txt").write_text("")
        fails("none in 1 file", config=good, data=empty)
        # Another shape or other settings than those of the checkpoints.
        self.assertEqual(self.pretrain("begun", "--until", "4").status, 0)
        fails("another", config=changed("model", feed_forward_length=96), out="begun")
        fails("another", config=changed("training", learning_rate=2e-2), out="begun")
        (self.data / "7.txt").write_text(text(5, 77))
        fails("tokenizer.gguf", "another", config=good, out="begun")
        # A learning rate that no network stands ends with an error that says so, or learns on.
        path = self.write_config("hot.json", learning_rate=10, warmup_steps=0, clip=0)
        hot = program.issun("pretrain", "--config", path, "--data", self.data, "--out",
                             self.folder / "hot")
        self.assertIn(hot.status, (0, 1))
        if hot.status == 1:
            self.assertIn("no number", hot.err.decode())

    def template(self):
        path = self.folder / "turns.jinja"
        path.write_text("{% for m in messages %}<turn>{{ m.content }}{% endfor %}"
                        "{% if add_generation_prompt %}<turn>{% endif %}")
        return path

    def make_base(self):
        self.assertEqual(self.pretrain("base").status, 0)
        return self.folder / "base" / "model.gguf"

    def test_tuning_learns_answers_and_merging_keeps_them(self):
        base = self.make_base()
        talks = self.folder / "answers.jsonl"
        talks.write_text("\n".join(json.dumps({"prompt": f"{a} ", "completion": "needle bowl ogre."})
                                   for a in WORDS[:20]) + "\n")
        common = ("--epochs", "100", "--learning-rate", "2e-2", "--batch", "4", "--accumulate", "1",
                  "--sequence", "32", "--json")
        adapted = program.issun("tune", base, talks, "--out", self.folder / "lora", "--rank", "4",
                                 *common)
        self.assertEqual(adapted.status, 0, adapted.err)
        # The embeddings, hardly trained and frozen, let no logit stand out further.
        self.assertLess(json.loads(adapted.text)["train_loss"], 1.5)
        adapter = self.folder / "lora" / "adapter.gguf"

        def says(model, *more):
            done = program.issun("run", model, "-p", "sword ", "-n", "6", "--temp", "0", *more)
            self.assertEqual(done.status, 0, done.err)
            return done.text

        self.assertNotIn("needle bowl", says(base))
        self.assertIn("needle bowl", says(base, "--lora", adapter))
        merged = self.folder / "merged.gguf"
        done = program.issun("merge", base, adapter, "--out", merged, "--json")
        self.assertEqual(done.status, 0, done.err)
        self.assertLess(json.loads(done.text)["relative_error"], 1e-3)
        self.assertIn("needle bowl", says(merged))
        # All weights, instead.
        full = program.issun("tune", base, talks, "--out", self.folder / "full", "--full",
                              *common[:2], "--learning-rate", "3e-3", *common[4:])
        self.assertEqual(full.status, 0, full.err)
        self.assertIn("needle bowl", says(self.folder / "full" / "model.gguf"))
        # The same, as rounding leaves the weights: what was trained is what the file holds.
        rounded = ("tune", base, talks, "--full", "--qat", "--type", "q8_0", "--chat-template-file",
                   self.template(), *common[:2], "--learning-rate", "3e-3", *common[4:])
        done = program.issun(*rounded, "--out", self.folder / "rounded")
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(program.issun(*rounded, "--out", self.folder / "again", "--until", "7").status, 0)
        self.assertEqual(program.issun(*rounded, "--out", self.folder / "again").status, 0)
        self.assertEqual((self.folder / "rounded/model.gguf").read_bytes(),
                         (self.folder / "again/model.gguf").read_bytes())
        facts = json.loads(program.issun("inspect", self.folder / "rounded/model.gguf", "--json").text)
        self.assertIn("Q8_0", json.dumps(facts))
        self.assertIn("<turn>", json.dumps(facts))
        done = program.issun("tune", base, talks, "--out", self.folder / "no", "--full", "--qat",
                             "--type", "f32")
        self.assertEqual(done.status, 1)
        self.assertIn("qat", done.err.decode())
        for wrong, part in ((("--targets", "attn_z"), "targets"), (("--sequence", "65"), "64 tokens")):
            done = program.issun("tune", base, talks, "--out", self.folder / "no", *wrong)
            self.assertEqual(done.status, 1)
            self.assertIn(part, done.err.decode())
        done = program.issun("merge", base, base, "--out", self.folder / "no.gguf")
        self.assertEqual(done.status, 1)
        self.assertFalse((self.folder / "no.gguf").exists())


if __name__ == "__main__":
    program.main()
