"""study: a small real study, killed and taken up again, and what it refuses."""
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import program
from program import ProgramTest, STORIES

PEER = ("echo '[{\"n_prompt\": 8, \"n_gen\": 0, \"avg_ts\": 11.5}, "
        "{\"n_prompt\": 0, \"n_gen\": 4, \"avg_ts\": 2.5}]' #")


class Study(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text("Once upon a time, there was a little girl named Lily. " * 12)
        self.prompts = self.folder / "prompts.txt"
        self.prompts.write_text("Once upon a time\nThe <b>dog</b>\n")

    def command(self, out, *more):
        return ("study", "cpu", STORIES, "--context", "64,128", "--threads", 1, "--repeat", 1,
                "--generate", 4, "--answer-tokens", 6, "--text", self.text, "--prompts",
                self.prompts, "--arm", "peer=llama-bench:" + PEER, "--seed", 7, "--out",
                self.folder / out, *more)

    def records(self, out):
        lines = (self.folder / out / "runs.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def test_a_study_measures_each_run_and_writes_one_page(self):
        done = json.loads(self.succeed(*self.command("a", "--json")).text)
        # Two contexts of speed and of quality, the answers, the peer.
        self.assertEqual((done["runs"], done["done"], done["failed"]), (6, 6, 0))
        records = {record["run"]: record for record in self.records("a")}
        self.assertEqual(sorted(record["order"] for record in records.values()), [1, 2, 3, 4, 5, 6])
        speed = records[f"speed, {STORIES.name} K f16 V f16, context 128, threads 1, run 1"]
        metrics = speed["metrics"]
        self.assertEqual(metrics["prompt_tokens"], 124)
        self.assertEqual(metrics["generated_tokens"], 4)
        for key in ("load_seconds", "first_token_seconds", "prompt_tokens_per_second",
                    "generation_tokens_per_second", "token_ms_p50", "token_ms_p95",
                    "generation_cores_busy", "minor_faults", "peak_resident_bytes", "pss_bytes",
                    "wall_seconds"):
            self.assertGreater(metrics[key], 0, key)
        # A run of a few ticks may have all of them counted as the kernel's.
        self.assertGreaterEqual(min(metrics["user_seconds"], metrics["system_seconds"]), 0)
        self.assertGreater(metrics["user_seconds"] + metrics["system_seconds"], 0)
        self.assertLessEqual(metrics["token_ms_p50"], metrics["token_ms_p95"])
        # 5 layers, keys and values, 4 heads of 8 values, 2 bytes each; whole pages of 64 positions.
        self.assertEqual(metrics["cache_bytes"], 128 * 5 * 2 * 4 * 8 * 2)
        # A figure that there is none of is never a zero.
        for key in ("energy_gross_joules", "generation_ipc"):
            if not isinstance(metrics[key], str):
                self.assertGreater(metrics[key], 0)
            else:
                self.assertRegex(metrics[key], r"^unavailable: \w")
        self.assertNotIn("energy_estimate_joules", metrics)
        peer = records["speed, peer, run 1"]["metrics"]
        self.assertEqual(peer["generation_tokens_per_second"], 2.5)
        self.assertGreater(peer["peak_resident_bytes"], 0)
        self.page(done["report"])
        with open(done["csv"], newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 6)
        self.assertEqual({row["task"] for row in rows}, {"speed", "quality", "text"})

    def page(self, path):
        page = pathlib.Path(path).read_text()
        for outside in ("http://", "https://", "<script", "url("):
            self.assertNotIn(outside, page.replace("http://www.w3.org/2000/svg", ""))
        for word in ("peer", "What could not be measured here, and why", "prefers-color-scheme",
                     "<svg", "perplexity", "generation speed over context",
                     "The &lt;b&gt;dog&lt;/b&gt;"):
            self.assertIn(word, page)
        self.assertNotIn("<b>dog", page)
        self.assertNotRegex(page, r">-?nan|>inf")

    def test_perplexity_is_that_of_eval(self):
        self.succeed(*self.command("a"))
        quality = [r for r in self.records("a") if r["run"].startswith("quality")]
        for record in quality:
            context = int(re.search(r"context (\d+)", record["run"])[1])
            alone = json.loads(self.succeed("eval", "perplexity", STORIES, "--text", self.text, "-c",
                                            context, "--json").text)
            self.assertAlmostEqual(record["metrics"]["perplexity"], alone["perplexity"], places=9)
            if "kld" in record["metrics"]:  # of the first model from itself
                self.assertLess(record["metrics"]["kld"], 1e-9)

    def test_a_study_that_is_killed_goes_on_where_it_was(self):
        self.succeed(*self.command("whole"))
        command = [program.BINARY, *map(str, self.command("killed"))]
        runs = self.folder / "killed" / "runs.jsonl"
        seen, kills = 0, 0
        for _ in range(3):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            until = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < until:
                if runs.exists() and runs.read_text().count("\n") > seen:
                    break
                time.sleep(0.002)
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            seen = runs.read_text().count("\n")
        self.assertGreater(kills, 0)
        runs.write_text(runs.read_text() + '{"run": "speed, cut o')  # a write that was cut off
        before = self.records_before(runs)
        self.succeed(*self.command("killed"))
        whole, killed = self.records("whole"), self.records("killed")
        self.assertEqual([r["run"] for r in killed], [r["run"] for r in whole])
        self.assertEqual(killed[:len(before)], before)  # what was done was not done again
        for one, other in zip(whole, killed):
            self.assertEqual(one.get("answers"), other.get("answers"))
            self.assertEqual(one["metrics"].get("perplexity"), other["metrics"].get("perplexity"))
            self.assertEqual(one["metrics"].keys(), other["metrics"].keys())
        page = self.folder / "killed" / "report.html"
        first = page.read_bytes()
        self.succeed(*self.command("killed"))  # nothing is left to do: the same page again
        self.assertEqual(page.read_bytes(), first)

    def records_before(self, runs):
        return [json.loads(line) for line in runs.read_text().splitlines()[:-1]]

    def test_an_interrupt_leaves_a_folder_that_goes_on(self):
        command = self.command("a", "--arm", "slow=llama-bench:sleep 60 #")
        process = subprocess.Popen([program.BINARY, *map(str, command)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while not (self.folder / "a" / "prompts.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"go on with the same command", out)
        self.assertTrue((self.folder / "a" / "report.html").exists())
        self.assertLess(len(self.records("a")), 7)

    def test_another_plan_is_refused_with_the_difference(self):
        self.succeed(*self.command("a", "--dry-run"))  # makes nothing
        self.assertFalse((self.folder / "a").exists())
        self.succeed(*self.command("a"))
        self.refuse(*self.command("a", "--energy-estimate", 20), naming=("another plan", "watts"))
        self.text.write_text("Another text. " * 80)
        self.refuse(*self.command("a"), naming=("another plan", "text"))

    def test_the_plan_is_shown_without_a_run(self):
        lines = self.succeed(*self.command("a", "--dry-run")).text.splitlines()
        self.assertIn("6 runs, order by seed 7", lines[0])
        self.assertEqual(len([line for line in lines if line.startswith("     ")]), 6)

    def test_the_estimate_is_named_so_and_only_there_when_asked_for(self):
        self.succeed(*self.command("a", "--energy-estimate", 30))
        records = [r for r in self.records("a") if r["run"].startswith("speed, stories")]
        for record in records:
            metrics = record["metrics"]
            watts = metrics["energy_estimate_joules"] / metrics["wall_seconds"]
            busy = (metrics["user_seconds"] + metrics["system_seconds"]) / metrics["wall_seconds"]
            cores = len(os.sched_getaffinity(0))
            self.assertAlmostEqual(watts, 30 * busy / cores, delta=1e-6 + 1e-6 * watts)
            self.assertAlmostEqual(metrics["energy_estimate_watt_hours"] * 3600,
                                   metrics["energy_estimate_joules"])
        self.assertIn("ESTIMATE", (self.folder / "a" / "report.html").read_text())

    def test_a_run_that_fails_is_told_and_the_others_are_done(self):
        done = program.issun(*self.command("a", "--arm", "broken=llama-bench:sh -c \"exit 3\" #"))
        self.assertEqual(done.status, 1, done)
        failed = [r for r in self.records("a") if r.get("failed")]
        self.assertEqual([r["run"] for r in failed], ["speed, broken, run 1"])
        self.assertIn("status 3", failed[0]["failed"])
        self.assertEqual(len(self.records("a")), 7)

    def test_wrong_use_is_refused(self):
        out = ("--out", self.folder / "a")
        for arguments, status, naming in (
                ((), 2, ("--out",)),
                ((*out, "--context", "4"), 1, ("--context",)),
                ((*out, "--context", "x"), 2, ("--context",)),
                ((*out, "--cache-type-k", "q9"), 1, ("q9",)),
                ((*out, "--cache-type-v", "i8"), 1, ("i8",)),
                ((*out, "--sweep", "batch"), 2, ("--sweep",)),
                ((*out, "--repeat", "0"), 2, ("--repeat",)),
                ((*out, "--arm", "peer"), 1, ("--arm",)),
                ((*out, "--arm", "peer=openai:http://localhost"), 1, ("HTTP",)),
                ((*out, "--energy-estimate", "0"), 2, ("--energy-estimate",)),
                ((*out, "--text", self.folder / "none"), 1, ("none",)),
                ((*out, "--prompts", os.devnull), 1, ("prompts",)),
                ((*out, self.folder / "none.gguf"), 1, ("none.gguf",)),
                ((*out, "--context", "100000"), 1, ("nothing is left",))):
            with self.subTest(arguments=arguments):
                self.refuse("study", "cpu", STORIES, *arguments, status=status, naming=naming)
        self.refuse("study", status=2)
        self.refuse("study", "cell", STORIES, status=2, naming=("--task",))

    def test_a_cell_alone_prints_one_line(self):
        done = self.succeed("study", "cell", STORIES, "--task", "speed", "-n", 2, "-c", 32, "-t", 1)
        self.assertEqual(json.loads(done.text)["metrics"]["prompt_tokens"], 30)
        self.assertEqual(done.text.count("\n"), 1)


if __name__ == "__main__":
    program.main()
