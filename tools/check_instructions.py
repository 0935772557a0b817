#!/usr/bin/env python3
"""Asks a model the short instructions in models/checks and counts how many it followed, by rule.

A test is a line of JSON: prompt, task, and check with its type:
  equals    value                     the answer is this text
  one_of    values                    the answer is one of these texts
  contains  any, none                 one of any stands in a short answer, and nothing of none
  list      n, marked, items, order   n different items; marked: numbered or bullets; items: what they have to be
            kinds                     at least half of them are things of these kinds in instructions/lexicon.txt
  regex     value, case               the pattern is found; case false: letters of either case
Spaces, quotes around the answer and marks at its end do not count.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

from instructions_phrases import DATA, read_sections

CHECKS = pathlib.Path(__file__).resolve().parent.parent / "models" / "checks"
QUOTES = "\"'`“”‘’「」『』«»"
ENDS = "。．.!！?？"
LONGEST_ANSWER = 160    # characters: beyond that, or beyond this share of its prompt, an answer
LONGEST_SHARE = 0.6     # to a question repeats the text instead of answering
LONGEST_ITEM = 60       # characters of an item of a list
SPARE = 12              # characters that an item may have beside what is expected: an article, a number
MARK = re.compile(r"^\s*(?:[(（]?\d{1,2}[.)）．、:：]|[-*•・‐–●○])\s*")


def bare(text):
    """The answer without spaces around, quotes around, and marks at its end."""
    text = re.sub(r"\s+", " ", text).strip()
    while text and (text[-1] in QUOTES + ENDS or text[0] in QUOTES):
        text = text[1:] if text[0] in QUOTES else text[:-1]
        text = text.strip()
    return text


def contains(answer, value):
    """Whether a value stands in the answer; digits only as a whole number."""
    pattern = re.escape(value.lower())
    if value[0].isdigit():
        pattern = r"(?<![\d.:])" + pattern
    if value[-1].isdigit():
        pattern += r"(?!\d|[.:]\d)"
    return re.search(pattern, answer.lower()) is not None


def items_of(answer):
    """(items, marks) of an answer that is a list: of lines, of numbers on a line, or between commas."""
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    if len(lines) == 1:
        numbered = re.split(r"(?:^|\s)(?=\d{1,2}[.)．]\s)", lines[0].strip())
        lines = [p for p in numbered if p.strip()] if len(numbered) > 2 else \
            re.split(r"\s*[,、，;；]\s*(?:and\s+)?|\s+and\s+", lines[0])
    marks = [(MARK.match(line) or [""])[0].strip() for line in lines]
    return [bare(MARK.sub("", line)) for line in lines], marks


def is_list(answer, check):
    items, marks = items_of(answer)
    if len(items) != check["n"] or len({i.lower() for i in items}) != len(items):
        return False
    if any(not 1 <= len(i) <= LONGEST_ITEM for i in items):
        return False
    if check.get("marked") == "numbered" and [re.sub(r"\D", "", k) for k in marks] != \
            [str(i + 1) for i in range(len(items))]:
        return False
    if check.get("marked") == "bullets" and any(not k or k[0].isdigit() for k in marks):
        return False
    if "kinds" in check and 2 * sum(is_of_kind(i, check["kinds"]) for i in items) < len(items):
        return False
    return "items" not in check or are_items(items, check["items"], check.get("order", True))


def is_of_kind(item, kinds):
    """Whether an item names a thing of the kinds in the lexicon, in either language."""
    lines = [line for kind in kinds for line in read_sections(DATA / "lexicon.txt")[kind]]
    names = [name.strip().lower() for line in lines for name in line.split(" | ")[:2]]
    return any(name in item.lower() and len(item) <= len(name) + SPARE for name in names)


def are_items(items, expected, ordered):
    """Whether every item is the expected one, with a little beside it."""
    def fits(item, want):
        return want.lower() in item.lower() and len(item) <= len(want) + SPARE
    if ordered:
        return all(map(fits, items, expected))
    return all(any(fits(item, want) for item in items) for want in expected)


def is_short(answer, prompt):
    """Whether an answer is not just the text or the question given back."""
    return len(answer.strip()) <= min(LONGEST_ANSWER, LONGEST_SHARE * len(prompt))


def followed(answer, check, prompt):
    """Whether an answer follows the rule of its test."""
    kind = check["type"]
    if kind == "equals":
        return bare(answer) == bare(check["value"])
    if kind == "one_of":
        return bare(answer).lower() in [bare(v).lower() for v in check["values"]]
    if kind == "contains":
        return (is_short(answer, prompt) and any(contains(answer, v) for v in check["any"])
                and not any(contains(answer, v) for v in check.get("none", [])))
    if kind == "list":
        return is_list(answer, check)
    if kind == "regex":
        flags = 0 if check.get("case", True) else re.IGNORECASE
        return (is_short(answer, prompt)
                and re.search(check["value"], answer.strip(), flags) is not None)
    raise ValueError(f"check of type {kind!r}: expected equals, one_of, contains, list or regex")


def ask(options, prompt):
    """What the model answers to a prompt, alone, with its likeliest tokens."""
    command = [options.issun, "run", options.model, "-p", prompt, "--temp", "0", "-n", str(options.tokens),
               *options.flags.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])}: expected an answer, "
                           f"exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def run(options, lang):
    """Asks all tests of a language; returns {task: [followed, asked]}."""
    counts = collections.defaultdict(lambda: [0, 0])
    path = pathlib.Path(options.checks) / f"instructions.{lang}.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        answer = ask(options, test["prompt"])
        good = followed(answer, test["check"], test["prompt"])
        counts[test["task"]][0] += good
        counts[test["task"]][1] += 1
        if options.show:
            print(f"{'followed' if good else 'FAILED  '} {test['task']}\n  > " + test["prompt"].replace("\n", "\n  > ")
                  + "\n  " + answer.replace("\n", "\n  ") + "\n")
    return counts


PROMPT = "A text of some length that ends with a question: which town is it, and from which platform?"


def self_test():
    """The rules on answers whose verdict is known."""
    equals = {"type": "equals", "value": "The cat sleeps."}
    three, fruit = {"type": "list", "n": 3}, {"type": "list", "n": 2, "items": ["梨", "柿"]}
    numbered, bullets = dict(three, marked="numbered"), dict(three, marked="bullets")
    fruits = dict(three, kinds=["fruit"])
    loose = dict(fruit, order=False)
    number = {"type": "contains", "any": ["6", "six"], "none": ["gate 9"]}
    name = {"type": "contains", "any": ["Graz"]}
    no = {"type": "regex", "value": r"^no\b", "case": False}
    cases = [(equals, "The cat sleeps.", True), (equals, " \"The cat sleeps\" ", True), (equals, "the cat sleeps", False),
             (equals, "The cat sleeps. Yes", False), (three, "1. a\n2. b\n3. c", True), (three, "a, b and c", True),
             (three, "a, b, and c.", True), (three, "- a\n- b\n- a", False), (three, "a\nb", False),
             (three, "りんご、梨、柿", True), (three, "・りんご\n・梨\n・柿", True), (three, "1. a 2. b 3. c", True),
             (three, "1. a\n2.\n3. c", False), (three, "a\nb\nc\nd", False), (numbered, "1. a\n2. b\n3. c", True),
             (numbered, "a\nb\nc", False), (numbered, "1. a\n3. b\n2. c", False), (bullets, "- a\n- b\n- c", True),
             (bullets, "1. a\n2. b\n3. c", False), (fruit, "梨、柿", True), (fruit, "柿、梨", False), (loose, "柿、梨", True),
             (loose, "柿、桃", False), (number, "Platform 6.", True), (number, "platform 16", False),
             (number, "6, at gate 9", False), (number, "From platform six.", True), (name, "In graz", True),
             (name, "In Linz", False), (name, "Graz " * 40, False), (name, PROMPT + " Graz", False), (no, "No, it is black.", True), (no, "Nobody", False),
             (fruits, "1. apple\n2. durian\n3. Pears", True), (fruits, "1. dog\n2. cat\n3. apple", False),
             (fruits, "りんご、桃、ドリアン", True), (three, "", False), (equals, "", False),
             ({"type": "one_of", "values": ["はい", "はい、そうです"]}, "はい。", True)]
    wrong = [(check, answer) for check, answer, verdict in cases if followed(answer, check, PROMPT) != verdict]
    for check, answer in wrong:
        print(f"self-test: {check}: wrong verdict on {answer!r}", file=sys.stderr)
    print(f"self-test: {len(cases) - len(wrong)} of {len(cases)} verdicts right")
    return not wrong


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--issun", default="build/release/bin/issun", help="the program (build/release/bin/issun)")
    parser.add_argument("--model", help="the model to ask, a GGUF file")
    parser.add_argument("--lang", choices=["ja", "en"], help="one language only")
    parser.add_argument("--checks", default=str(CHECKS), help="folder of the tests (models/checks)")
    parser.add_argument("--tokens", type=int, default=128, help="longest answer in tokens (128)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds that an answer may take (120)")
    parser.add_argument("--flags", default="", help="further flags for issun run, in one text")
    parser.add_argument("--show", action="store_true", help="print every prompt, answer and verdict")
    parser.add_argument("--self-test", action="store_true", help="test the rules alone, without a model")
    return parser.parse_args()


def main():
    options = arguments()
    if options.self_test:
        return 0 if self_test() else 1
    if not options.model:
        print("check_instructions: expected --model FILE or --self-test", file=sys.stderr)
        return 2
    for lang in [options.lang] if options.lang else ["ja", "en"]:
        counts = run(options, lang)
        for task, (good, asked) in counts.items():
            print(f"{lang} {task:8} {good:3} of {asked}")
        good, asked = (sum(c[i] for c in counts.values()) for i in (0, 1))
        print(f"{lang} all      {good:3} of {asked}  {100 * good / asked:.0f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
