"""Tasks over passages of the corpus: who did something, what somebody did, how many there are, as the
sentences themselves tell it."""
import re

from instructions_passages import read

NOT_NAMES = set("""Thus So The Then There This That These Those And But For Not Nor Yet What When Where Who Why How Here
Now Never Ever After Before Some Such She They You His Her Our Its All Any Each Every Both One Two Three Many Much
More Most Other Another Nothing Nobody Everybody Somebody Having Being With Without From Upon Into Only Even Just
Still Once Perhaps Well Yes Oh Lord God Heaven English French German Italian Latin Greek Sunday Monday Tuesday
Wednesday Thursday Friday Saturday January February March April May June July August September October November
December Christmas Easter""".split())
TITLE = r"(?:(?:Mr\.|Mrs\.|Miss|Dr\.|Lady|Sir|Captain|Uncle|Aunt) )?"
DID = re.compile(rf"(?<![\w.] )\b({TITLE}[A-Z][a-z]{{2,11}}) ([a-z]{{2,9}}ed|took|gave|made|saw|found|held|left|told"
                 r"|brought|kept|heard|drew|threw|shut|wrote|read|knew|lost|met|sent|bought|sold|caught|led|put"
                 r"|laid|raised|broke|felt|ate|drank) "
                 r"((?:the|a|an|his|her|their|my|your|this|that) (?:[a-z]+ )?[a-z]{3,})(?!, [a-z]+ [a-z]+\.)(?=[,.;!?]| (?:and|in|on|at|with|to|from|"
                 r"into|for|of|as|by|upon|over|when|while|behind|before|after|through|under)\b)")
BARE_NUMBER = re.compile(r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty"
                         r"|fifty|[2-9]|[1-9]\d{1,2}) ([a-z]{3,}s)\b(?! (?:of|and))")
DID_JA = re.compile(r"(?:^|。|、|」)([^、。「」はがをにでとも\s]{1,7})[はが]、?((?:[^「」。]{0,24}[はにでとのもへ、てりらく])?)"
                    r"([一-龥々]{1,4}|[ァ-ヴー]{2,8})を([一-龥々](?![ぁ-ん]*(?:か|まし))[ぁ-ん]{0,4}[ただ])(?=[。、」]|が|ので)")
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
    """(text, one of what `find` finds in it): one to four sentences around one that has something."""
    places = m.clause_places.setdefault(find, [])
    if not places:
        m.known_names = set(m.corpus.names)
        places += [(p, i) for p in m.corpus.paragraphs for i, s in enumerate(p) if find(m, s)]
    for _ in range(1000):
        p, i = m.rng.choice(places)
        first = max(0, i - m.rng.randint(0, 2))
        text = m.corpus.join(p[first:i + 1 + m.rng.choice([0, 0, 1, 2])])
        found = find(m, text) if 15 <= len(text) <= (240 if m.ja else 450) else []
        if found:
            return text, m.rng.choice(found)
    raise ValueError(f"corpus: {len(places)} sentences to ask about, and no passage of a length")


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


def numbers(m, text):
    """(how many, of what) of an English text."""
    return [(n, noun) for n, noun in BARE_NUMBER.findall(text) if text.count(noun) == 1]


def how_many(m):
    """English: how many of something a passage tells of."""
    text, (n, noun) = drawn(m, numbers)
    question = m.rng.choice([f"How many {noun} are there", f"How many {noun} does the text mention", f"How many {noun} are mentioned",
                             f"How many {noun} are named in the text"]) + "?"
    return read(m, "answer_from_text", text, question, n if m.chance(0.5) else f"{n[0].upper() + n[1:]} {noun}.")


TASKS = {"who_did": (who_did, 6)}
ENGLISH_TASKS = {"how_many": (how_many, 2)}
