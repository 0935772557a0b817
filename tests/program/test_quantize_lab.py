"""quantize lab: the page, the numbers in all their forms, what they say, and what is refused."""
import csv
import html.parser
import io
import json
import math
import re
import struct
import xml.etree.ElementTree

import gguf_file
import program
from program import DEFAULT, ProgramTest, STORIES

TEXT = ("Once upon a time there was a little girl named Lily. She loved to play with her red ball in the "
        "park. One day the ball rolled away and she could not find it. ") * 12
VOID = {"meta", "br", "img", "link", "hr", "input"}
SECTIONS = ["spread", "spacing", "granularity", "ranges", "inputs", "integers", "surgeon", "mixed"]


class Page(html.parser.HTMLParser):
    """Every element closed in its turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.seen, self.wrong = [], [], []
        self.feed(text)
        self.close()
        self.wrong += [f"not closed: {tag}" for tag in self.stack]

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append(f"closed too early: {tag}")


def importance(model, path, columns_of):
    """An older importance file: every other column counts a hundred times as much."""
    entries = [(name, tensor.shape[-1]) for name, tensor in gguf_file.GgufFile(model).tensors.items()
               if len(tensor.shape) > 1 and name.startswith(columns_of)]
    data = struct.pack("<i", len(entries))
    for name, count in entries:
        values = [100.0 if i % 2 else 1.0 for i in range(count)]
        data += (struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, count) +
                 struct.pack(f"<{count}f", *values))
    path.write_bytes(data)
    return path


def table(report, section, name, subject=None):
    for found in report["sections"]:
        if found["id"] == section and subject in (None, found["subject"]):
            for rows in found["tables"]:
                if rows["id"] == name:
                    return rows["rows"]
    raise AssertionError(f"no table {name} in {section}")


def find(rows, **words):
    found = [row for row in rows if all(row[k.replace("_", " ")] == v for k, v in words.items())]
    assert len(found) == 1, f"{words}: expected one row, found {len(found)}"
    return found[0]


class Laboratory(ProgramTest):
    def lab(self, model, *more):
        return json.loads(self.succeed("quantize", "lab", model, "--json", *more).text)

    def text_file(self):
        path = self.folder / "text.txt"
        path.write_text(TEXT)
        return path

    def check_page(self, path):
        text = path.read_text()
        page = Page(text)
        self.assertEqual(page.wrong, [])
        self.assertNotIn("script", page.seen)
        for outside in ("src=", "url(", "@import", "<link"):
            self.assertNotIn(outside, text)
        self.assertEqual(set(re.findall(r'https?://[^"\s<]*', text)), {"http://www.w3.org/2000/svg"})
        drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        for drawing in drawings:
            root = xml.etree.ElementTree.fromstring(drawing)
            for element in root.iter():
                for value in element.attrib.values():
                    self.assertNotRegex(value, r"\b(nan|inf)\b")
        self.assertIn("prefers-color-scheme:dark", text)
        return text, drawings

    def test_the_page_is_well_formed_and_holds_every_number(self):
        page, numbers = self.folder / "r.html", self.folder / "r.csv"
        report = self.lab(STORIES, "--out", page, "--csv", numbers, "--text", self.text_file(),
                          "--tensor", "blk.2.ffn_up.weight")
        self.assertEqual([s["id"] for s in report["sections"]], SECTIONS)
        text, drawings = self.check_page(page)
        self.assertEqual(len(drawings), 9)
        rows = list(csv.DictReader(io.StringIO(numbers.read_text())))
        written = sum(isinstance(value, float | int) for section in report["sections"]
                      for found in section["tables"] for row in found["rows"] for value in row.values())
        self.assertEqual(len(rows), written)
        self.assertGreater(len(rows), 400)
        for row in rows:
            self.assertTrue(math.isfinite(float(row["value"])), row)
        loss = find(table(report, "granularity", "formats"), format="Q4_0")["error %"]
        self.assertIn(f">{loss:.3f}<", text)

    def test_the_numbers_say_what_theory_says(self):
        report = self.lab(STORIES, "--text", self.text_file(), "--rows", 0)
        spacing = {row["bits of a code"]: row for row in table(report, "spacing", "spacing")}
        for method in ("symmetric", "asymmetric", "Lloyd-Max"):
            errors = [spacing[bits][method] for bits in ("2", "3", "4", "5", "6", "8")]
            self.assertEqual(errors, sorted(errors, reverse=True))
            self.assertAlmostEqual(errors[3] / errors[4], 2, delta=0.2)  # a bit halves the step
        for bits in spacing:
            self.assertLessEqual(spacing[bits]["Lloyd-Max"] or 0, spacing[bits]["symmetric"] or 1e9)
        shared = table(report, "granularity", "granularity")
        for zero in ("symmetric", "asymmetric"):
            errors = [row["error %"] for row in shared if row["zero"] == zero]
            sizes = [row["bits a weight"] for row in shared if row["zero"] == zero]
            self.assertEqual(errors, sorted(errors, reverse=True))
            self.assertEqual(sizes, sorted(sizes))
        ranges = [row for row in table(report, "ranges", "ranges") if row["scale for"] == "tensor"]
        for bits in ("4", "8"):
            best = find(ranges, bits=bits, range="MSE (search)")["error %"]
            for row in ranges:
                if row["bits"] == bits:
                    self.assertLessEqual(best, row["error %"] * 1.001)
        inputs = table(report, "inputs", "inputs")
        for bits in ("4", "8"):
            dynamic = find(inputs, bits=bits, when="dynamic", range="32 values of a token")["error %"]
            self.assertLess(dynamic, min(r["error %"] for r in inputs
                                         if r["when"] == "static" and r["bits"] == bits))
        whole = table(report, "integers", "integers")
        self.assertLessEqual(find(whole, multiplier="31 bits")["largest difference"], 1)
        self.assertGreater(find(whole, multiplier="2 bits")["largest difference"], 1)
        surgeon = table(report, "surgeon", "surgeon")
        for task, plain, better in (("prune half", "smallest magnitudes", "OBS"),
                                    ("prune 2 of 4", "smallest magnitudes", "OBS"),
                                    ("4 bits", "to the nearest", "OBQ"),
                                    ("prune half + 4 bits", "OBS, then nearest", "OBS and OBQ jointly"),
                                    ("prune 2 of 4 + 4 bits", "OBS, then nearest", "OBS and OBQ jointly")):
            self.assertLess(find(surgeon, task=task, method=better)["output error %"],
                            find(surgeon, task=task, method=plain)["output error %"])
        for row in table(report, "mixed", "mixed"):
            self.assertLessEqual(row["chosen / same"], 1.0001)

    def test_a_model_that_is_quantised_already_says_so(self):
        page = self.folder / "r.html"
        report = self.lab(DEFAULT, "--rows", 16, "--out", page)
        self.assertIn("quantised already", " ".join(report["words"]))
        self.check_page(page)
        self.assertNotIn("quantised already", " ".join(self.lab(STORIES)["words"]))
        formats = table(report, "granularity", "formats")
        self.assertEqual(len(formats), 25)  # rows of 1024 divide into every block
        # It is on the levels of Q4_0, so that this format loses next to nothing.
        self.assertLess(find(formats, format="Q4_0")["error %"], 0.1)
        self.assertGreater(find(formats, format="Q4_K")["error %"], 2)

    def test_what_is_missing_is_told(self):
        report = self.lab(STORIES)
        self.assertIn("--text", " ".join(report["sections"][SECTIONS.index("inputs")]["words"]))
        self.assertIn("made up", " ".join(report["sections"][SECTIONS.index("surgeon")]["words"]))
        self.assertIn("172", " ".join(report["sections"][SECTIONS.index("granularity")]["words"]))
        self.assertFalse(any("weighted" in name for row in table(report, "granularity", "granularity")
                             for name in row))

    def test_importance_weighs_errors(self):
        matrix = importance(STORIES, self.folder / "i.dat", "blk.")
        rows = table(self.lab(STORIES, "--imatrix", matrix, "--tensor", "blk.0.attn_q.weight"),
                     "granularity", "formats")
        plain = table(self.lab(STORIES, "--tensor", "blk.0.attn_q.weight"), "granularity", "formats")
        # The encoders then look after the columns that count.
        self.assertLess(find(rows, format="Q4_0")["weighted error %"],
                        find(plain, format="Q4_0")["error %"])
        self.assertGreater(find(rows, format="Q4_0")["error %"], find(plain, format="Q4_0")["error %"])

    def test_the_same_numbers_for_any_number_of_threads(self):
        text = self.text_file()
        one, two = (self.succeed("quantize", "lab", STORIES, "--text", text, "-t", t).out
                    for t in (1, 2))
        self.assertEqual(one, two)

    def test_matrices_are_named_or_found(self):
        report = self.lab(STORIES, "--tensor", r"^blk\.[01]\.attn_q\.weight$")
        subjects = {s["subject"] for s in report["sections"] if s["id"] == "spacing"}
        self.assertEqual(subjects, {"blk.0.attn_q.weight", "blk.1.attn_q.weight"})
        self.refuse("quantize", "lab", STORIES, "--tensor", "no_such", naming=("no_such", "blk."))
        self.refuse("quantize", "lab", STORIES, "--tensor", "(", naming=("--tensor",))
        self.refuse("quantize", "lab", STORIES, "--tensor", "ffn", naming=("ffn", "8", "15"))
        self.refuse("quantize", "lab", STORIES, "--tensor", "output_norm", naming=("output_norm",))

    def test_what_is_wrong_is_refused_and_nothing_is_written(self):
        page = self.folder / "r.html"
        self.refuse("quantize", "lab", "no.gguf", "--out", page, naming=("no.gguf",))
        self.refuse("quantize", "lab", STORIES, "--text", "no.txt", "--out", page, naming=("no.txt",))
        self.refuse("quantize", "lab", STORIES, "--imatrix", "no.dat", "--out", page, naming=("no.dat",))
        self.refuse("quantize", "lab", STORIES, "--out", STORIES, naming=("stories260K",))
        self.refuse("quantize", "lab", status=2, naming=("model",))
        self.refuse("quantize", "lab", STORIES, "--rows", -1, status=2, naming=("--rows",))
        self.refuse("quantize", "--json", "lab", STORIES, status=2, naming=("--json",))
        self.refuse("quantize", STORIES, page, status=2, naming=("--type",))
        self.refuse("quantize", STORIES, status=2, naming=("out",))
        self.assertFalse(page.exists())

    def test_weights_that_are_no_numbers_are_named(self):
        bad = self.folder / "bad.gguf"
        data = bytearray(STORIES.read_bytes())
        tensor = gguf_file.GgufFile(STORIES).tensors["blk.2.ffn_down.weight"]
        at = data.index(tensor.data)
        data[at + 4:at + 8] = struct.pack("<f", math.nan)
        bad.write_bytes(data)
        self.refuse("quantize", "lab", bad, naming=("blk.2.ffn_down.weight", "row 0, column 1"))


if __name__ == "__main__":
    program.main()
