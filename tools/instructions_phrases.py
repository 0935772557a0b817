"""Wordings: templates with alternatives, and how an instruction and its material become a prompt.

Data files hold sections ("## name") of lines. A line is a template: "[a|b|]" is one of the
alternatives (they nest), "{x}" a slot, or one line of the section of macros "@x", and "\\n" a new line.
"""
import functools
import pathlib
import random
import re

DATA = pathlib.Path(__file__).resolve().parent / "instructions"

INNER_CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")


@functools.cache
def read_sections(path):
    """The sections of a data file: {name: [line, ...]}; lines that begin with "# " are remarks."""
    sections, lines = {}, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            lines = sections.setdefault(line[3:].strip(), [])
        elif line.strip() and not line.startswith("# "):
            if lines is None:
                raise ValueError(f"{path}:{number}: expected a section (## name) first")
            lines.append(line.rstrip())
    return sections


def read_language(stem, lang):
    """The sections of instructions/STEM.LANG.txt."""
    return read_sections(DATA / f"{stem}.{lang}.txt")


class Phrases:
    """The templates of one language, with the random choices of one seed."""

    def __init__(self, lang, rng):
        self.lang, self.rng = lang, rng
        self.sections = read_language("phrases", lang)
        self.macros = {name[1:]: lines for name, lines in self.sections.items()
                       if name.startswith("@")}

    def expand(self, template, **slots):
        """The template with its choices made and its slots filled; what fills them stays as it is."""
        text = template
        while True:
            found = INNER_CHOICE.search(text)
            if found:
                choice = self.rng.choice(found.group(1).split("|"))
                text = text[:found.start()] + choice + text[found.end():]
                continue
            found = next((m for m in SLOT.finditer(text)
                          if m.group(1) in self.macros and m.group(1) not in slots), None)
            if not found:
                break
            text = text[:found.start()] + self.rng.choice(self.macros[found.group(1)]) + text[found.end():]
        text = text.replace("\\n", "\n")
        return SLOT.sub(lambda m: str(slots[m.group(1)]), text)

    def pick(self, section, **slots):
        """A line of a section, expanded."""
        return self.expand(self.rng.choice(self.sections[section]), **slots)

    def has(self, section):
        return section in self.sections

    # -- prompts ---------------------------------------------------------------------------------

    def quoted(self, material, block):
        """The material in quotes of some kind that it does not contain; block: it stands alone."""
        pairs = [tuple(line.split(" ")) for line in self.sections["quotes"]]
        pairs = [p for p in pairs if p[0] not in material and p[1] not in material]
        fences = [("```\n", "\n```"), ("---\n", "\n---"), ("<text>\n", "\n</text>"), ('"""\n', '\n"""')]
        if block and self.rng.random() < 0.15:
            pairs = fences
        elif "\n" in material or (block and self.rng.random() < 0.6) or not pairs:
            pairs = [("", "")]
        left, right = self.rng.choice(pairs)
        return left + material + right

    def noun(self, unit, after):
        """How the instruction names its material: "the sentence below", 上の文."""
        return self.expand(self.rng.choice(self.sections["it_after" if after else "it_before"]),
                           unit=self.pick("unit_" + unit))

    def ended(self, instruction, after, inline):
        """The instruction with the mark that its place asks for."""
        if instruction[-1] in "?.!？。！:：":
            return instruction
        if self.lang == "ja":
            asks = instruction.endswith(("か", "ない", "かな", "かしら"))
            if asks:
                return instruction + ("？" if self.rng.random() < 0.6 else "。")
            return instruction + ("。" if after or not inline and self.rng.random() < 0.6 else "：")
        if after and instruction.startswith(("Can you", "Could you", "Would you")) and self.rng.random() < 0.7:
            return instruction + "?"
        return instruction + ("." if after or not inline and self.rng.random() < 0.4 else ":")

    def reading(self, text, question):
        """A prompt of a text and a question about it; no quotes around a text that has such quotes."""
        lines = self.sections["read"]
        for mark, quote in (("「", "「{p}"), ('"', '"{p}')):
            if mark in text:
                lines = [line for line in lines if quote not in line]
        if "\n" in text or text[-1] not in ".!?。！？」":
            lines = [line for line in lines if "{p}\\n" in line or line.endswith("{p}")]
        return self.expand(self.rng.choice(lines), p=text, q=question)

    def inside(self, section, material, unit, **slots):
        """An instruction that names its material in its own sentence: Copy "Dentap" exactly."""
        lines = [line for line in self.sections[section] if "{it}" in line]
        it = self.expand(self.rng.choice(self.sections["it_inside"]), unit=self.pick("unit_" + unit),
                         q=self.quoted(material, False))
        instruction = self.expand(self.rng.choice(lines), it=it, **slots)
        return self.ended(instruction[0].upper() + instruction[1:], True, False)

    def compose(self, section, material, unit="text", **slots):
        """A prompt of an instruction of the section and its material, in one of several layouts."""
        block = "\n" in material or len(material) > 120
        layout = self.rng.choice(["before", "after", "label"] if block else
                                 ["inline", "inline", "inside", "inside", "before", "after", "label"])
        if layout == "inside":
            return self.inside(section, material, unit, **slots)
        after = layout == "after"
        instruction = self.pick(section, it=self.noun(unit, after), **slots)
        instruction = instruction[0].upper() + instruction[1:]
        instruction = self.ended(instruction, after, layout == "inline")
        gap = self.rng.choice(["\n", "\n\n"])
        if layout == "inline":
            space = "" if self.lang == "ja" else " "
            bare = instruction[-1] in ":：" and self.rng.random() < 0.4
            return instruction + space + (material if bare else self.quoted(material, False))
        if layout == "after":
            return self.quoted(material, True) + gap + instruction
        if layout == "label":
            mark = "：" if self.lang == "ja" else ": "
            return instruction + gap + self.pick("label_" + unit) + mark + material
        return instruction + gap + self.quoted(material, True)


def seeded(*parts):
    """A source of random choices of its own for each task, so that one more task changes no other."""
    return random.Random("/".join(str(p) for p in parts))
