"""Readers of documentation: Markdown, reStructuredText, gettext. Bytes in, clean text out."""

import ast
import re

from corpus_prose import tidy

FENCE = re.compile(r"^[ \t]*(```+|~~~+)")
STRUCTURE = re.compile(r"^[ \t]*([-*+] |\d+[.)] |\||#|>|:::|={3,}$|-{3,}$)")
NOT_JOINED = re.compile(r"[ \t]*([|#]|:::|-{3,}$|={3,}$|\[!)")
TAG_OR_CODE = re.compile(r"(`+)(?:.*?[^`])\1(?!`)|</?[A-Za-z!][^<>]*>")
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\](\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])")
DIRECTIVE = re.compile(
    r"^[ \t]*(\{\{#.*\}\}|r\[[\w.\-]+\]|\[[^\[\]]+\]: *\S+.*|\[\^?\w+\]:.*)$", re.M)
WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
NOTICE = re.compile(r"Co-op Translator|AI翻訳サービス|免責事項")


def join_paragraph(first, second):
    """Two lines of one paragraph; no blank where Japanese meets."""
    first, second = first.rstrip(), second.strip()
    if WIDE.match(first[-1:]) or WIDE.match(second[:1]):
        return first + second
    return first + " " + second


def clean_inline(line, labels):
    """Prose without tags, images, link targets and heading ids; `labels` are those of links."""
    line = TAG_OR_CODE.sub(lambda m: m[0] if m[1] else "", line)
    line = re.sub(r"!\[[^\[\]]*\](\([^()]*\)|\[[^\[\]]*\])", "", line)
    line = LINK.sub(r"\1", line)
    line = re.sub(r"\[([^\[\]!]+)\]",
                  lambda m: m[1] if m[1] in labels or m[1][0] == "`" else m[0], line)
    line = re.sub(r"[ \t]*(\{/\*[^*]*\*/\}|\{#[^{}]*\}|\{:[^{}]*\})", "", line)
    return line.rstrip()


def drop_blocks(text):
    """Front matter, comments and build directives."""
    title = ""
    front = re.match(r"---[ \t]*\n(.*?)\n---[ \t]*\n", text, re.S)
    if front:
        named = re.search(r"^title: *['\"]?(.*?)['\"]?[ \t]*$", front[1], re.M)
        title = "# " + named[1] + "\n\n" if named and named[1] else ""
        text = text[front.end():]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"^<(script|style|svg)\b[^`]*?^</\1>", "", text, flags=re.M | re.S)
    text = DIRECTIVE.sub("", text)
    text = re.sub(r"^[ \t]*\{%.*%\}[ \t]*$", "", text, flags=re.M)
    return title + text


INCLUDE = re.compile(r"\{\{#(?:rustdoc_)?include ([^}:\s]+)(?::([^}\s]*))?\}\}")


def included_lines(lines, part):
    """The lines that `part` names: an anchor, a range 'first:last', a line number; all if None."""
    if part and re.fullmatch(r"[\d:]+", part):
        first, colon, last = part.partition(":")
        last = last or (str(len(lines)) if colon else first)
        lines = lines[int(first or 1) - 1:int(last)]
    elif part:
        anchor = re.compile(r"ANCHOR(_END)?: *" + re.escape(part) + r"\s*$")
        marks = [at for at, line in enumerate(lines) if anchor.search(line)]
        lines = lines[marks[0] + 1:marks[1]] if len(marks) == 2 else []
    return [line for line in lines if "ANCHOR" not in line]


def with_includes(raw, folder):
    """An mdBook page with its include directives filled in from files, relative to `folder`."""
    def fill(match):
        path = folder / match[1]
        if not path.is_file():
            return ""
        return "\n".join(included_lines(path.read_text("utf-8").splitlines(), match[2]))
    return INCLUDE.sub(fill, raw.decode("utf-8", errors="replace")).encode("utf-8")


def joined_lines(text):
    """(line, is code) pairs of a Markdown text, the lines of a paragraph or quotation joined."""
    out, fence, can_join = [], None, False
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if fence:
            out.append((line, True))
            if mark and mark[1].startswith(fence) and line.strip() == mark[1]:
                fence = None
        elif mark:
            fence, can_join = mark[1], False
            out.append((re.sub(r"^([ \t]*[`~]+ *[\w+#-]*).*$", r"\1", line), True))
        else:
            quoted = re.match(r"[ \t]*>[ \t]*(?=[^\s>])", line)
            words = line[quoted.end():] if quoted else line
            continues = not STRUCTURE.match(words) and words.strip() and not words.startswith("[!")
            if can_join and continues and (not quoted or out[-1][0].lstrip().startswith(">")):
                out[-1] = (join_paragraph(out[-1][0], words), False)
            else:
                out.append((line, False))
            can_join = bool(words.strip(" \t>")) and not NOT_JOINED.match(words)
    return out


def read_markdown(raw):
    """Documentation in Markdown: prose unwrapped, code blocks and tables as they are."""
    text = tidy(raw.decode("utf-8", errors="replace"))
    labels = set(re.findall(r"^[ \t]*\[([^\[\]]+)\]: ", text, re.M))
    lines = joined_lines(drop_blocks(text))
    cleaned = [line if is_code else clean_inline(line, labels) for line, is_code in lines
               if is_code or not NOTICE.search(line)]
    text = "\n".join(cleaned)
    # a fence that held only an include directive
    return tidy(re.sub(r"^[ \t]*(```+|~~~+)[^\n]*\n\s*\1[ \t]*$", "", text, flags=re.M))


RST_DROPPED = ("image", "figure", "contents", "sidebar", "raw", "index", "toctree", "meta",
               "include", "csv-table", "list-table", "seealso", "_", "|")
RST_RULE = re.compile(r"^([=\-~^\"'`#*+.:_])\1{3,}[ \t]*$")


def rst_inline(line):
    line = re.sub(r":[\w:-]+:`([^`<]*?) *<[^`<>]*>`", r"\1", line)
    line = re.sub(r":[\w:-]+:`([^`]*)`", r"\1", line)
    line = re.sub(r"`([^`<]+?) *<[^`<>]*>`__?", r"\1", line)
    return re.sub(r"``([^`]+)``", r"`\1`", line)


def skip_indented(lines, start, indent):
    """First line after `start` that is filled and not indented deeper than `indent`."""
    at = start
    while at < len(lines):
        line = lines[at]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        at += 1
    return at


def fenced(lines, start, end, language):
    """An indented code block, lines[start:end], as a Markdown fence."""
    code = [line for line in lines[start:end] if not re.match(r"[ ]+:\w+:", line)]
    margin = min((len(c) - len(c.lstrip()) for c in code if c.strip()), default=0)
    body = "\n".join(c[margin:] for c in code).strip("\n")
    return ["", "```" + language, body, "```", ""] if body else [""]


def joins(previous, line, following):
    """Whether `line` of a reStructuredText file continues the paragraph of `previous`."""
    if not previous.strip() or not line.strip() or previous.startswith(("#", "```")):
        return False
    if STRUCTURE.match(line) or "|" in line[:3]:
        return False
    return not RST_RULE.match(following.strip())


def read_rst(raw):
    """Documentation in reStructuredText: comments and directives go, notes and code stay."""
    lines = tidy(raw.decode("utf-8", errors="replace")).expandtabs(4).split("\n") + [""]
    out, at = [""], 0
    while at < len(lines):
        line = lines[at]
        at += 1
        stripped = line.lstrip()
        indent = len(line) - len(stripped)
        if stripped.startswith(".. ") or stripped == "..":
            directive = re.match(r"\.\. ([\w-]+):: ?(.*)$", stripped)
            end = skip_indented(lines, at, indent)
            if directive and directive[1] in ("code-block", "code", "sourcecode"):
                out += fenced(lines, at, end, directive[2].strip())
                at = end
            elif not directive or directive[1].startswith(RST_DROPPED):
                out.append("")
                at = end
        elif RST_RULE.match(stripped):
            if lines[at - 2].strip() and out[-1].strip() and not out[-1].startswith("#"):
                out[-1] = "# " + out[-1].strip()
        elif stripped.endswith("::"):
            end = skip_indented(lines, at, indent)
            out += [rst_inline(stripped[:-1]) if stripped != "::" else ""]
            out += fenced(lines, at, end, "")
            at = end
        else:
            line = "" if re.match(r" *:[\w-]+:(?!`)", line) else rst_inline(line)
            if joins(out[-1], line, lines[at] if at < len(lines) else ""):
                out[-1] = join_paragraph(out[-1], line)
            else:
                out.append(line)
    return tidy("\n".join(out))


def read_po(raw):
    """The translations of a gettext catalogue: a list of texts, one for each translated file."""
    texts = {}
    for entry in raw.decode("utf-8").split("\n\n"):
        origin = re.search(r"^#: ([^:\s]+)", entry, re.M)
        found = re.search(r'^msgstr ((?:"(?:[^"\\]|\\.)*"\n?)+)', entry, re.M)
        if origin and found and "SUMMARY" not in origin[1]:
            text = "".join(ast.literal_eval(part) for part in found[1].strip().split("\n"))
            if text and not text.startswith(('"', "//")):  # strings and comments out of code
                texts.setdefault(origin[1], []).append(text)
    return [read_markdown("\n\n".join(parts).encode()) for parts in texts.values()]
