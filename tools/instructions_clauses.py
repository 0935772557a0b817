"""Tasks over passages of the corpus: who did something, what somebody did, how many there are, as the
sentences themselves tell it."""
import re

from instructions_passages import read

NOT_NAMES = set("""The Then There This That These Those And But For Not Nor Yet What When Where Who Why How Here
Now Never Ever After Before Some Such She They You His Her Our Its All Any Each Every Both One Two Three Many Much
More Most Other Another Nothing Nobody Everybody Somebody Having Being With Without From Upon Into Only Even Just
Still Once Perhaps Well Yes Oh Lord God Heaven English French German Italian Latin Greek Sunday Monday Tuesday
Wednesday Thursday Friday Saturday January February March April May June July August September October November
December Christmas Easter""".split())
TITLE = r"(?:(?:Mr\.|Mrs\.|Miss|Dr\.|Lady|Sir|Captain|Uncle|Aunt) )?"
DID = re.compile(rf"(?<![\w.] )\b({TITLE}[A-Z][a-z]{{2,11}}) ([a-z]{{2,9}}ed|took|gave|made|saw|found|held|left|told"
                 r"|brought|kept|heard|drew|threw|shut|wrote|read|knew|lost|met|sent|bought|sold|caught|led|put"
                 r"|laid|raised|broke|felt|ate|drank) "
                 r"((?:the|a|an|his|her|their|my|your|this|that) (?:[a-z]+ )?[a-z]{3,})(?=[,.;!?]| (?:and|in|on|at|with|to|from|"
                 r"into|for|of|as|by|upon|over|when|while|behind|before|after|through|under)\b)")
BARE_NUMBER = re.compile(r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty"
                         r"|fifty|[2-9]|[1-9]\d{1,2}) ([a-z]{3,}s)\b(?! (?:of|and))")
DID_JA = re.compile(r"(?:^|。|、)([^、。「」はがをにでとも\s]{1,7})[はが]、?((?:[^「」。]{0,13}[はにでとのもへ、て])?)"
                    r"([一-龥々]{1,4}|[ァ-ヴー]{2,8})を([一-龥々](?![ぁ-ん]*(?:か|まし))[ぁ-ん]{0,4}[ただ])。")
PERSON_JA = re.compile(r"さん$|君$|先生$|夫人$|^[父母兄姉弟妹]$|^(?:祖父|祖母|叔父|叔母|伯父|伯母|主人|老人|老婆|青年|少年|少女|女中"
                       r"|医者|巡査|妻|夫|娘|息子|男|女|子供|坊さん|お婆さん|お爺さん|番頭|船長|王様|王子|武士|客)$")


def clauses(m, text):
    """(who, did, what) of a text, each of which stands there once."""
    if m.ja:
        found = [(who, verb, thing) for who, _, thing, verb in DID_JA.findall(text)
                 if PERSON_JA.search(who) or who in m.known_names]
    else:
        found = [(who, verb, thing) for who, verb, thing in DID.findall(text)
                 if who.split()[-1] in m.known_names and who.split()[-1] not in NOT_NAMES]
    return [c for c in found if text.count(c[1]) == 1 and text.count(c[0]) <= 3]


def drawn(m, find):
    """(text, one of what `find` finds in it)."""
    if not hasattr(m, "known_names"):
        m.known_names = set(m.corpus.names)
    for _ in range(3000):
        p = m.rng.choice(m.corpus.paragraphs)
        at = m.rng.randrange(len(p))
        part = p[at:at + m.rng.randint(1, 4)]
        text = m.corpus.join(part)
        if not 15 <= len(text) <= (240 if m.ja else 450):
            continue
        found = find(m, text)
        if found:
            return text, m.rng.choice(found)
    raise ValueError("corpus: no passage with a clause to ask about")


def who_did(m):
    """Who did it, or what somebody did."""
    text, (who, verb, thing) = drawn(m, clauses)
    short = m.chance(0.5)
    if m.ja:
        if m.chance(0.3):
            question, answer = f"{who}は何を{verb}のですか", thing if short else f"{thing}を{verb}のです。"
        else:
            question = m.rng.choice([f"{thing}を{verb}のは誰ですか", f"誰が{thing}を{verb}のですか"])
            answer = who if short else m.rng.choice([f"{who}です。", f"{thing}を{verb}のは{who}です。"])
        return read(m, "answer_from_text", text, question, answer)
    if m.chance(0.25):
        return read(m, "answer_from_text", text, m.rng.choice([f"What did {who} do", f"What does the text say that {who} did"]) + "?",
                    f"{who} {verb} {thing}.")
    question = m.rng.choice([f"Who {verb} {thing}?"] * 3 + [f"Who was it that {verb} {thing}?"])
    return read(m, "answer_from_text", text, question, who if short else f"{who} {verb} {thing}.")


def how_many(m):
    """English: how many of something a passage tells of."""
    def numbers(m, text):
        return [(n, noun) for n, noun in BARE_NUMBER.findall(text) if text.count(noun) == 1]
    text, (n, noun) = drawn(m, numbers)
    question = m.rng.choice([f"How many {noun} are there", f"How many {noun} does the text mention", f"How many {noun} are mentioned",
                             f"How many {noun} are named in the text"]) + "?"
    return read(m, "answer_from_text", text, question, n if m.chance(0.5) else f"{n[0].upper() + n[1:]} {noun}.")


TASKS = {"who_did": (who_did, 5)}
ENGLISH_TASKS = {"how_many": (how_many, 2)}
