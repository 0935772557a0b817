"""Readers of books: Aozora text, plain and Markdown novels, TEI XML. Bytes in, clean text out."""

import codecs
import html
import re
import unicodedata
import xml.etree.ElementTree as ElementTree

GAIJI_CODE = re.compile(r"※［＃[^［］]*?U\+([0-9A-Fa-f]{4,6})[^［］]*］")
GAIJI_CELL = re.compile(r"※［＃[^［］]*?[^0-9\-]([12])-(\d{1,2})-(\d{1,2})］")
GAIJI_REST = re.compile(r"※［＃[^［］]*］")
ANNOTATION = re.compile(r"［＃(?:[^［］]|［[^＃［］]*］)*］")
RUBY = re.compile(r"《[^《》\n]*》")
DASHES = re.compile(r"^[-－―─]{10,}[ 　]*$", re.M)
FOOTER = re.compile(
    r"^[ 　]*(?:翻訳の|翻訳)?(?:底本|定本|原書|入力|校正|親本|このファイルは|青空文庫作成ファイル)[^\n「]{0,8}?[：:、]", re.M)
HEADER = re.compile(r"^(?:[-－―─]{10,}[ 　]*\n+)?[ 　]*[【［](?:テキスト中に現れる|表記について).*?^[-－―─]{10,}[ 　]*$",
                    re.M | re.S)
STILL_RESERVED = re.compile(r"著作権|クリエイティブ・?コモンズ|CreativeCommons|Creative Commons|改変|翻訳権")
STILL_RESERVED_AT_END = re.compile(r"著作権|クリエイティブ・?コモンズ|[Cc]reative ?[Cc]ommons")
OLD_SPELLING = re.compile(r"[ゐゑ]|やう|さう|[云言思]ふ|せう|[なだた]らう|つて|つた|ふ(?=[。、」])")
HIRAGANA = re.compile(r"[ぁ-ん]")
OLD_SPELLING_RATE = 12.0  # hits a thousand hiragana; see the valley in the histogram of Aozora

MISREAD = re.compile("[\u00c2\u00c3][\u0080-\u00bf]")
SPLIT_WORD = re.compile(r"(?<=[a-z])- (?=[a-z])(?!and |or |to )")

VERSE_WIDTH = 58  # a block whose lines are mostly shorter than this keeps its line breaks
LONG_LINE = 130  # hard-wrapped books stay below this


class Rejected(Exception):
    """The document must not enter the corpus; the message is the reason, for sources.json."""


def tidy(text):
    """NFC, LF, no control characters, no trailing blanks, never more than one blank line."""
    text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\u200b\ufeff\u00ad\x85]", "", text)
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"[ \t\u3000\u00a0]+$", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def decode_shift_jis(raw):
    """cp932 first, then the JIS X 0213 variants; what is left undecodable becomes U+FFFD."""
    for name in ("cp932", "shift_jis_2004", "shift_jisx0213"):
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp932", errors="replace")


def decode_latin(raw):
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def jis_cell(plane, row, cell):
    """The character of JIS X 0213 at plane-row-cell (men-ku-ten), or '' where there is none."""
    if not (1 <= row <= 94 and 1 <= cell <= 94):
        return ""
    code = bytes([0xA0 + row, 0xA0 + cell])
    try:
        return codecs.decode((b"\x8f" if plane == 2 else b"") + code, "euc_jis_2004")
    except UnicodeDecodeError:
        return ""


def resolve_annotations(text):
    """Gaiji notes become characters where the note says which; all other annotations go."""
    text = GAIJI_CODE.sub(lambda m: chr(int(m[1], 16)) if int(m[1], 16) < 0x110000 else "", text)
    text = GAIJI_CELL.sub(lambda m: jis_cell(int(m[1]), int(m[2]), int(m[3])), text)
    text = GAIJI_REST.sub("", text)
    while ANNOTATION.search(text):
        text = ANNOTATION.sub("", text)
    return re.sub(r"［＃[^\n］]*］", "", text)


def read_aozora(raw):
    """An Aozora Bunko text file: title, author and body, without ruby, notes, header and footer."""
    text = decode_shift_jis(raw).replace("\r\n", "\n").replace("\r", "\n")
    footers = list(FOOTER.finditer(text))
    near_end = [m.start() for m in footers if len(text) - m.start() < 6000]
    cut = near_end[0] if near_end else (footers[-1].start() if footers else len(text))
    body, footer = text[:cut], text[cut:]
    header = HEADER.search(body, 0, 6000)
    notes = header[0] if header else ""
    if header:
        body = body[:header.start()] + "\n" + body[header.end():]
    body = DASHES.sub("", body)
    if STILL_RESERVED.search(notes + footer) or STILL_RESERVED_AT_END.search(text[-2500:]):
        raise Rejected("rights")
    body = RUBY.sub("", resolve_annotations(body)).replace("｜", "")
    body = body.replace("／″＼", "〴〵").replace("／＼", "〳〵")
    return tidy(body)


def is_old_spelling(text):
    """Historical kana orthography (ゐる, やう, 云ふ), which we want to weigh down."""
    kana = len(HIRAGANA.findall(text))
    if kana < 50:
        return kana < len(text) / 20  # kanbun and katakana texts are old style, too
    return 1000.0 * len(OLD_SPELLING.findall(text)) / kana > OLD_SPELLING_RATE


def join_lines(lines):
    return re.sub(r"[ \t]+", " ", " ".join(line.strip() for line in lines))


def repair(text):
    """Undoes UTF-8 read as Latin-1, HTML entities, blanks after a hyphen at a former line end."""
    text = MISREAD.sub(lambda m: m[0].encode("latin-1").decode("utf-8"), text)
    return SPLIT_WORD.sub("-", html.unescape(text))


def unwrap_block(lines):
    """Lines between two blank lines: one paragraph if prose, unchanged if verse or a list."""
    body = lines[:-1]
    short = sum(len(line.rstrip()) < VERSE_WIDTH for line in body)
    if not body or short > len(body) / 2:
        return "\n".join(re.sub(r"[ \t]+", " ", line.strip()) for line in lines)
    return join_lines(lines)


def split_by_width(lines):
    """Paragraphs of a wrapped file without blank lines: one ends where the next word had room."""
    lines = [line.strip() for line in lines if line.strip()]
    widths = sorted(map(len, lines))
    width = widths[int(len(widths) * 0.97)] if widths else 0
    paragraphs, current = [], []
    for line, following in zip(lines, lines[1:] + [""]):
        current.append(line)
        first_word = following.split(" ", 1)[0]
        if not following or len(line) + 1 + len(first_word) < width - 3:
            paragraphs.append(join_lines(current))
            current = []
    return paragraphs


def paragraphs_of(text):
    """Paragraphs of a book in any of three layouts: a line each, blank-separated, or neither."""
    lines = text.split("\n")
    filled = [line for line in lines if line.strip()]
    if not filled:
        return []
    if sum(len(line) for line in lines if len(line) > LONG_LINE) > len(text) / 2:
        return [re.sub(r"[ \t]+", " ", line.strip()) for line in filled]
    if len(lines) - len(filled) < len(lines) / 40:
        return split_by_width(lines)
    blocks, current = [], []
    for line in lines + [""]:
        if line.strip():
            current.append(line)
        elif current:
            blocks.append(unwrap_block(current))
            current = []
    return blocks


def strip_publisher(text):
    """Without the frame an electronic library puts around a book."""
    start = re.search(r"^\*\*\* ?START OF TH[^\n]*$", text, re.M)
    text = text[start.end():] if start else text
    end = re.search(r"^(\*\*\* ?END OF TH|End of (the )?Project Gutenberg)", text, re.M)
    return text[:end.start()] if end else text


FRAME = re.compile(
    r"^\W*(transcriber|produced by |e-?text prepared|proofread|\[illustration)|gutenberg", re.I)


def english_book(text):
    """Unwrapped paragraphs, a blank line between each two, without library notes."""
    text = repair(strip_publisher(tidy(text)))
    return tidy("\n\n".join(p for p in paragraphs_of(text) if not FRAME.search(p[:400])))


def read_plain_novel(raw):
    return english_book(decode_latin(raw))


LAST_FREE_YEAR = 1930  # published before 1931: public domain in the United States in 2026
RECENT_TRANSLATORS = re.compile(r"Translated by (David Wyllie|A\. ?S\. Kline|M\. ?H\. Shakir)")


def read_markdown_novel(raw):
    """'# Title: … / ## Author: … / ## Year: … / ---' and then the book, in Markdown."""
    text = tidy(decode_latin(raw))
    head, rule, body = text.partition("-------\n")
    title = re.search(r"^# *Title: *(.+)$", head, re.M)
    if not rule or not title:
        raise Rejected("no header")
    year = re.search(r"^## *Year: *(.+)$", head, re.M)
    number = re.search(r"\d{4}", year[1]) if year else None
    if (number and int(number[0]) > LAST_FREE_YEAR) or RECENT_TRANSLATORS.search(body[:1000]):
        raise Rejected("rights")
    author = re.search(r"^## *Author: *(.+)$", head, re.M)
    body = re.sub(r"^!\[[^\n]*$|</?[a-zA-Z][^<>\n]*>", "", body, flags=re.M)
    body = re.sub(r"^#+[ \t]*(.*?)[ \t#]*$", r"\n\1\n", body, flags=re.M)
    body = re.sub(r"\[([^\[\]\n]*)\]\([^()\s]*\)", r"\1", body)
    opening = [title[1].strip(), "by " + author[1].strip() if author else ""]
    return "\n\n".join(opening) + "\n\n" + english_book(body)


def read_tei(raw):
    """The body of a TEI document: headings, paragraphs and verse lines; no notes, no header."""
    root = ElementTree.fromstring(raw)
    out = []

    def name(element):
        return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""

    def inline(element):
        if name(element) in ("note", "figure", "gap", "fw", ""):
            return ""
        parts = [element.text or ""]
        for child in element:
            parts += [inline(child), child.tail or ""]
        return "".join(parts)

    def walk(element):
        if name(element) in ("note", "figure", "teiHeader", "front", "back", ""):
            return
        if name(element) in ("p", "head", "l", "ab", "label", "quote") and not (
                name(element) == "quote" and len(element)):
            text = re.sub(r"\s+", " ", inline(element)).strip()
            if text:
                out.append("\n" + text if name(element) == "l" else "\n\n" + text)
            return
        for child in element:
            walk(child)

    walk(next(e for e in root.iter() if name(e) == "text"))
    title = next((e for e in root.iter() if name(e) == "title"), None)
    heading = "" if title is None else inline(title).strip()
    heading = re.sub(r"\s*:? *(ELTeC|MiMoText).*$", "", heading, flags=re.I)
    return tidy(heading + "".join(out))
