"""imatrix: what a text puts through a model's matrices, in both forms of file, added to and shown."""
import json
import signal
import struct
import subprocess
import time

import gguf_file
import program
from program import BINARY, DEFAULT, ProgramTest, SOURCE, STORIES

MIXTURE = SOURCE / "models" / "issun-moe-38m.gguf"
STORY = ("Once upon a time there was a little girl who had a red ball. She played with it in the garden "
         "all day long, and her dog ran after it. ") * 40


def read_gguf(path):
    """{tensor: (sums, counts)}, each a tuple of numbers, and the keys."""
    file = gguf_file.GgufFile(path)
    halves = {name: struct.unpack(f"<{len(tensor.data) // 4}f", tensor.data)
              for name, tensor in file.tensors.items()}
    names = {name.rpartition(".")[0] for name in halves}
    return {name: (halves[name + ".in_sum2"], halves[name + ".counts"]) for name in names}, file.keys


class Imatrix(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text(STORY)
        self.out = self.folder / "out.gguf"

    def gather(self, *more, model=STORIES, out=None):
        return json.loads(self.succeed("imatrix", model, "-f", self.text, "-o", out or self.out, "-c", 64,
                                       "--json", *more).text)

    def test_every_matrix_of_the_layers_is_counted_and_the_output_by_wish(self):
        report = self.gather("--chunks", 3)
        sums, keys = read_gguf(self.out)
        self.assertEqual(report["windows"], 3)
        self.assertTrue(report["finished"])
        self.assertEqual(len(sums), 7 * 5)
        self.assertEqual(keys["general.type"], "imatrix")
        self.assertEqual(keys["imatrix.datasets"], [str(self.text)])
        self.assertEqual(keys["imatrix.chunk_count"], 3)
        self.assertEqual(keys["imatrix.chunk_size"], 64)
        for name, (squares, counts) in sums.items():
            self.assertEqual(counts, (192.0,), name)
            self.assertGreater(min(squares), 0, name)
        self.gather("--chunks", 3, "--process-output")
        more, _ = read_gguf(self.out)
        self.assertEqual(set(more) - set(sums), {"output.weight"})
        self.assertEqual({name: more[name] for name in sums}, sums)
        # Where the output is the embedding, under its name.
        self.succeed("imatrix", DEFAULT, "-f", self.text, "-o", self.out, "-c", 16, "--chunks", 1,
                     "--process-output")
        self.assertIn("token_embd.weight", read_gguf(self.out)[0])

    def test_threads_and_instruction_sets(self):
        self.gather("--chunks", 2, "-t", 1)
        first = self.out.read_bytes()
        self.gather("--chunks", 2, "-t", 3)
        self.assertEqual(self.out.read_bytes(), first)
        golden, _ = read_gguf(self.out)
        self.succeed("imatrix", STORIES, "-f", self.text, "-o", self.out, "-c", 64, "--chunks", 2,
                     isa="scalar")
        for name, (squares, _) in read_gguf(self.out)[0].items():
            self.assertLess(program.nmse(squares, golden[name][0]), 1e-9, name)

    def test_a_text_in_two_goes_is_the_text_in_one(self):
        self.gather("--chunks", 5)
        whole, keys = read_gguf(self.out)
        first, second = self.folder / "first.gguf", self.folder / "second.gguf"
        self.gather("--chunks", 2, out=first)
        self.gather("--chunks", 3, "--from-chunk", 2, "--from", first, out=second)
        parts, part_keys = read_gguf(second)
        self.assertEqual(keys, part_keys)
        for name, (squares, counts) in whole.items():
            self.assertEqual(parts[name][1], counts)
            self.assertLess(program.nmse(parts[name][0], squares), 1e-12)
        # Files alone are added too, and change their form.
        self.gather("--chunks", 3, "--from-chunk", 2, out=second)
        self.succeed("imatrix", "--from", first, "--from", second, "-o", self.out)
        for name, (squares, counts) in read_gguf(self.out)[0].items():
            self.assertEqual(whole[name][1], counts)
            self.assertLess(program.nmse(squares, whole[name][0]), 1e-12)

    def test_quantize_takes_both_forms_and_writes_the_same_from_them(self):
        older = self.folder / "out.dat"
        self.gather("--chunks", 2)
        self.gather("--chunks", 2, "--format", "dat", out=older)
        written = []
        for matrix in (self.out, older):
            report = json.loads(self.succeed("quantize", STORIES, self.folder / "model.gguf", "--type",
                                             "Q4_0", "--imatrix", matrix, "--json").text)
            written.append(report["tensors"])
        self.assertEqual(sum("weighted_relative_rmse" in t for t in written[0]), 30)
        self.assertEqual(written[0], written[1])

    def test_experts_are_told_apart_and_those_that_met_nothing_are_named(self):
        self.text.write_text("short")
        done = self.succeed("imatrix", MIXTURE, "-f", self.text, "-o", self.out, "-c", 2, "--chunks", 1)
        sums, _ = read_gguf(self.out)
        experts = {name: counts for name, (_, counts) in sums.items() if "_exps" in name}
        self.assertTrue(experts)
        used = {sum(counts) for counts in experts.values()}
        self.assertEqual(len(used), 1)  # tokens x experts used
        for name, counts in experts.items():
            unmet = [e for e, count in enumerate(counts) if count == 0]
            self.assertTrue(unmet, name)
            self.assertIn(f"{name}: {len(unmet)} of {len(counts)} experts met nothing: {unmet[0]}",
                          done.err.decode())

    def test_what_a_file_says_is_shown(self):
        self.gather("--chunks", 2)
        shown = json.loads(self.succeed("imatrix", "--show", self.out, "--json").text)
        self.assertEqual(shown["chunks"], 2)
        self.assertEqual([t["name"] for t in shown["tensors"]][0], "blk.0.attn_k.weight")
        sums, _ = read_gguf(self.out)
        for tensor in shown["tensors"]:
            squares, counts = sums[tensor["name"]]
            self.assertAlmostEqual(tensor["sum"], sum(squares) / counts[0], delta=1e-6 * tensor["sum"])
            self.assertAlmostEqual(tensor["largest_share"], max(squares) / sum(squares), delta=1e-6)
            self.assertLessEqual(tensor["evenness"], 1)
            self.assertEqual(tensor["similarity_to_layer_before"] is None, "blk.0." in tensor["name"])
        text = self.succeed("imatrix", "--show", self.out).text
        self.assertEqual(len(text.splitlines()), 2 + 35)
        self.assertIn("blk.4.ffn_down.weight", text)

    def test_ctrl_c_keeps_what_was_gathered_and_a_kill_the_last_part_of_it(self):
        self.text.write_text(STORY * 400)
        for how in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(how=how):
                self.out.unlink(missing_ok=True)
                process = subprocess.Popen(
                    [BINARY, "imatrix", STORIES, "-f", self.text, "-o", self.out, "-c", "64", "--every",
                     "4", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                for _ in range(600):
                    if self.out.exists():
                        break
                    time.sleep(0.02)
                process.send_signal(how)
                answer = process.communicate(timeout=60)[0]
                _, keys = read_gguf(self.out)
                if how == signal.SIGKILL:
                    self.assertEqual(keys["imatrix.chunk_count"] % 4, 0)
                    continue
                self.assertEqual(process.returncode, 0)
                report = json.loads(answer)
                self.assertFalse(report["finished"])
                self.assertEqual(report["windows"], keys["imatrix.chunk_count"])

    def test_wrong_use_and_wrong_files_are_refused(self):
        for arguments in ((), (STORIES,), ("--show", self.out, "-f", self.text),
                          (STORIES, "-f", self.text, "--format", "json"),
                          (STORIES, "-f", self.text, "-c", 0)):
            with self.subTest(arguments=arguments):
                self.refuse("imatrix", *arguments, status=2)
        self.refuse("imatrix", STORIES, "-f", self.text, "-c", 100000, naming=("100000",))
        self.refuse("imatrix", STORIES, "-f", self.text, "-c", 64, "--from-chunk", 10000,
                    naming=("10001 windows",))
        self.refuse("imatrix", STORIES, "-f", self.text, "-o", self.text, naming=("another file",))
        self.refuse("imatrix", STORIES, "-f", self.folder / "none", naming=("none",))
        self.refuse("imatrix", "--show", STORIES, naming=("no entries",))
        self.gather("--chunks", 1, model=MIXTURE)
        self.refuse("imatrix", STORIES, "-f", self.text, "-c", 64, "--from", self.out, "-o",
                    self.folder / "x.gguf", naming=("blk.0.attn_k.weight",))
        self.refuse("imatrix", STORIES, "-f", self.text, "-c", 64, "-o", "/dev/full",
                    naming=("No space left",))
        self.assertFalse((self.folder / "x.gguf").exists())


if __name__ == "__main__":
    program.main()
