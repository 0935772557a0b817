"""Tasks of lists: n items of a kind, items of a text, order, number, form."""
import re

from instructions_tables import ORDINALS, plural, with_article

MASS_KINDS = ("colour", "drink", "sport", "subject", "season", "country", "planet", "material",
              "weather", "feeling", "hobby", "metal", "food", "dish")
SINGLE_KINDS = ("family", "nature", "instrument", "body", "room", "place", "sweet")
FORMS = ("numbered", "bullets", "lines", "commas")


def written(m, items, form):
    """The items in one of the forms."""
    if form == "numbered":
        return "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    if form == "bullets":
        return "\n".join("- " + item for item in items)
    if form == "quoted":
        return ("" if m.ja else " ").join("「" + item + "」" if m.ja else f'"{item}"' for item in items)
    return "\n".join(items) if form == "lines" else m.joined(items)


def chosen(m, kind, n):
    """n different names of a kind: nearly always the first of the table, so that there is one likeliest
    answer, and a list goes on where a shorter one ends instead of repeating itself."""
    things = m.tables.things[kind]
    if m.chance(0.9):
        return [thing.name for thing in things[:n]]
    ranks = sorted(range(len(things)), key=lambda i: i / len(things) * 0.8 + m.rng.random())[:n]
    if m.chance(0.75):
        ranks.sort()
    return [things[i].name for i in ranks]


def count_word(m, n):
    """How many, as it stands before the things."""
    if not m.ja:
        return m.number_text(n)
    small = ["", "一つ", "二つ", "三つ", "四つ", "五つ", "六つ", "七つ", "八つ"][n]
    return m.rng.choice([f"{n}つ", f"{n}つ", small, f"{n}個", f"{n}種類"])


def form_text(m, form, template, n):
    """The wish for a form as it fits into the template."""
    if not form:
        return ""
    words = m.phrases.pick("form_" + form, n=n)
    if not m.ja:
        return words
    return words + "、" if template.startswith("{form}") or "、{form}" in template else \
        "。" + words + ("書いてください" if m.chance(0.7) else "お願いします")


def list_n(m):
    """n things of a kind out of the tables."""
    n = m.rng.choice([2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 8])
    if m.chance(0.35):
        things, *items = m.rng.choice(m.writing["open_lists"]).split(" | ")
        n = min(n, len(items))
        kept = range(n) if m.chance(0.9) else sorted(m.rng.sample(range(len(items)), n))
        items = [items[k] for k in kept]
    else:
        kind = m.rng.choice([k for k in m.tables.things if len(m.tables.things[k]) >= 4])
        n = min(n, len(m.tables.things[kind]))
        things, items = m.tables.kind(kind)[1], chosen(m, kind, n)
    template = m.rng.choice(m.phrases.sections["list_n"])
    form = m.rng.choice(FORMS) if "{form}" in template and m.chance(0.55) else ""
    prompt = m.phrases.expand(template, n=count_word(m, n), things=things, short="short",
                              form=form_text(m, form, template, n))
    prompt = re.sub(r"。。|？。", "。", prompt.replace("くれる？。", "くれる？"))
    prompt = m.phrases.ended(prompt, True, False)
    return m.one("list_n", prompt[0].upper() + prompt[1:], written(m, items, form or "numbered"),
                 may_repeat=True)


def list_one(m):
    kind = m.rng.choice(list(m.tables.things))
    thing = m.rng.choice(m.tables.things[kind])
    return m.ask("list_one", "list_one", thing.name, True, thing=m.tables.kind(kind)[0])


def mixed(m, n, kind=None):
    """n different names of one kind, or of any."""
    names = []
    while len(names) < n:
        name = m.tables.thing(kind or m.rng.choice(list(m.tables.things))).name
        if name not in names:
            names.append(name)
    return names


def given_items(m):
    """Items of a list that a prompt gives: things of a kind, of any kind, or words of the corpus."""
    n = m.rng.randint(3, 7)
    draw = m.rng.random()
    if draw < 0.25:
        big = [k for k in m.tables.things if len(m.tables.things[k]) > n + 1]
        return mixed(m, n, m.rng.choice(big))
    if draw < 0.5:
        return mixed(m, n)
    return list(dict.fromkeys(m.corpus.word() for _ in range(n)))


def as_given(m, items):
    """The items as a prompt shows them."""
    return written(m, items, m.rng.choice(["commas", "commas", "lines", "bullets"]))


def rearranged(m):
    """Reverse, number, bullets, lines, commas, one more, one less, the nth."""
    items = given_items(m)
    shown, form = as_given(m, items), None
    task = m.rng.choice(["reverse", "reverse", "reverse", "reverse", "to_numbered", "to_bullets", "to_lines", "to_commas",
                         "remove_item", "add_item", "nth_item", "nth_item", "count", "count"])
    form = ("numbered" if "\n1." in "\n" + shown else "bullets" if "- " in shown[:2] else
            "lines" if "\n" in shown else "commas")
    slots, answer = {}, None
    if task == "reverse":
        answer = written(m, items[::-1], form)
    elif task.startswith("to_"):
        answer = written(m, items, task[3:])
        if task[3:] == form:
            shown = m.joined(items) if form != "commas" else written(m, items, "lines")
    elif task == "remove_item":
        slots["x"] = m.rng.choice(items)
        answer = written(m, [i for i in items if i != slots["x"]], form)
    elif task == "add_item":
        slots["x"] = m.corpus.word()
        answer = written(m, items + [slots["x"]], form)
    elif task == "nth_item":
        at = m.rng.randrange(len(items))
        slots["nth"], answer = ORDINALS[m.lang][at], items[at]
    else:
        answer = str(len(items))
    return m.one(task, m.phrases.compose(task, shown, "list", **slots), answer, shown)


def converted(m):
    """A list of many words, names and numbers in another form: every item is written as it stands, though its
    tokens may be others than behind a space or a quote."""
    makers = [m.corpus.word] * 6 + [m.tables.anyone, m.tables.anyone, m.tables.word_of_syllables, m.tables.town,
                                    lambda: m.tables.object().name, lambda: str(m.rng.randint(2, 3000))]
    items = list(dict.fromkeys(m.rng.choice(makers)() for _ in range(m.rng.randint(3, 14))))
    form = m.rng.choice(FORMS)
    shown = written(m, items, m.rng.choice([f for f in (*FORMS, "commas", "quoted", "quoted") if f != form]))
    return m.one("to_" + form, m.phrases.compose("to_" + form, shown, "list"), written(m, items, form), shown)


def sort_words(m):
    """The alphabet; Japanese: words in kana only, by the order of kana."""
    items = given_items(m)
    if m.ja:
        kana = [t.name for k in m.tables.things for t in m.tables.things[k]
                if re.fullmatch(r"[ぁ-んァ-ヴー]+", t.name)]
        items = list(dict.fromkeys(m.rng.choice(kana) for _ in range(m.rng.randint(3, 5))))
    key = (lambda s: "".join(chr(ord(c) - 96) if "ァ" <= c <= "ヴ" else c for c in s)) if m.ja else str.lower
    form = m.rng.choice(["commas", "lines"])
    return m.one("sort", m.phrases.compose("sort", written(m, items, form), "list"),
                 written(m, sorted(items, key=key), form), m.joined(items))


def numbers(m):
    """Order of numbers, and the largest or smallest of some."""
    items = [str(n) for n in m.rng.sample(range(1, m.rng.choice([20, 100, 1000])), m.rng.randint(3, 6))]
    task = m.rng.choice(["sort_numbers", "largest", "smallest"])
    if task != "sort_numbers":
        best = (max if task == "largest" else min)(items, key=int)
        return m.ask(task, task, best, x=m.joined(items))
    rising = m.chance(0.6)
    wording = {("en", True): ["smallest to largest", "the smallest to the largest", "low to high"],
               ("en", False): ["largest to smallest", "the largest to the smallest", "high to low"],
               ("ja", True): ["小さい順に", "小さいほうから順に"], ("ja", False): ["大きい順に", "大きいほうから順に"]}
    slots = {"from": m.rng.choice(wording[m.lang, rising])}
    prompt = m.phrases.compose(task, m.joined(items), "list", **slots)
    return m.one(task, prompt, m.joined(sorted(items, key=int, reverse=not rising)), m.joined(items))


def count_words(m):
    """Words of a short sentence; Japanese: characters of a word."""
    if m.ja:
        word = m.rng.choice([m.corpus.word(), m.tables.thing(*m.tables.things).name])
        return m.one("count_words", m.phrases.compose("count_words", word, "word"), f"{len(word)}文字", word)
    words = m.corpus.sentence(15, 60)
    prompt = m.phrases.compose("count_words", words, "sentence")
    return m.one("count_words", prompt, str(len(words.split())), words)


def kinds(m):
    """Whether a thing is of a kind, the odd one out, the one of a kind."""
    kind, other = m.rng.sample([k for k in m.tables.things if len(m.tables.things[k]) >= 4], 2)
    thing, stranger = m.tables.thing(kind), m.tables.thing(other)
    names = {t.name for t in m.tables.things[kind]}
    if stranger.name in names:
        return kinds(m)
    task = m.rng.choice(["is_a", "odd_one", "category", "pick_from"])
    one = m.tables.kind(kind)[0]
    if task == "is_a":
        yes = m.chance(0.5)
        x = thing if yes else stranger
        real = m.tables.kind(x.kind)[0]
        if m.ja:
            answer = f"はい、{x.name}は{one}です。" if yes else f"いいえ、{x.name}は{real}です。"
            return m.ask(task, task, answer, True, x=x.name, thing=one)
        a = "an" if real[0] in "aeiou" else "a"
        subject = m.tables.a(x)
        prompt = m.rng.choice([f"Is {subject} {a_kind(one)}?", f"Is {subject} a kind of {one}?",
                               f"Yes or no: is {subject} {a_kind(one)}?",
                               f"Tell me: is {subject} {a_kind(one)}?"])
        answer = f"{'Yes' if yes else 'No'}, {subject} is {a} {real}."
        return m.one(task, prompt, answer, may_repeat=True)
    if task == "odd_one":
        items = mixed(m, 3, kind) + [stranger.name]
        m.rng.shuffle(items)
        return m.ask(task, task, stranger.name, x=m.joined(items), thing=one)
    if task == "category":
        a, b = one, m.tables.kind(other)[0]
        if m.chance(0.5):
            a, b = b, a
        return m.ask(task, task, one, True, x=thing.name, a=a, b=b)
    strangers = [s for s in mixed(m, 3, other) if s not in names]
    items = strangers + [thing.name]
    m.rng.shuffle(items)
    return m.ask(task, task, thing.name, x=m.joined(items), thing=one)


def a_kind(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def list_from_text(m):
    """All things of a kind that a text names, among things of another kind."""
    big = [k for k in m.tables.things if len(m.tables.things[k]) >= 6 and k not in ("family", "season")]
    kind, other = m.rng.sample(big, 2)
    chosen_names = mixed(m, m.rng.randint(2, 5), kind)
    strangers = [s for s in mixed(m, 2, other) if s not in {t.name for t in m.tables.things[kind]}]
    several = plural_names(m, kind, chosen_names)

    counted = not m.ja and several is not chosen_names and m.chance(0.5)

    def sentence(items):
        if counted and items is several:
            items[:], shown = zip(*(with_quantity(m, name) for name in chosen_names))
        else:
            shown = items
        return m.phrases.pick("text_lists", list=m.and_joined(shown), day=m.tables.day(),
                              name=m.tables.person()[0], name2=m.tables.person()[0],
                              town=m.tables.town(), place=m.tables.thing("place").name)
    parts = [sentence(several)]
    if strangers and m.chance(0.5):
        parts.insert(m.rng.randrange(2), sentence(plural_names(m, other, strangers)))
    if m.chance(0.4):
        parts.insert(m.rng.randrange(len(parts) + 1), m.corpus.sentence(10, 80))
    text = m.corpus.join(parts)
    template = m.rng.choice(m.phrases.sections["ask_list"])
    form = m.rng.choice(FORMS) if "{form}" in template and m.chance(0.5) else ""
    wish = ""
    if form:
        words = m.phrases.pick("form_" + form, n=len(several))
        wish = words + "、" if m.ja else words
    question = m.phrases.expand(template, things=m.tables.kind(kind)[1], form=wish)
    question = m.phrases.ended(question, True, False)
    prompt = m.phrases.reading(text, question)
    if question[-1] in ".。" and m.chance(0.2):
        prompt = question[:-1] + ("：" if m.ja else ": ") + text
    return m.one("list_from_text", prompt, written(m, several, form or "commas"), text)


def with_quantity(m, name):
    """(the name as it stands in the text, the same with an article or a number)."""
    if m.chance(0.45):
        return name, with_article(name)
    n = m.rng.choice(["two", "three", "four", "five", "six", "some", "a few", "several", "many", str(m.rng.randint(2, 20))])
    return plural(name), f"{n} {plural(name)}"


def plural_names(m, kind, names):
    """The names as a text has them: English in the plural unless the kind has none."""
    return names if m.ja or kind in MASS_KINDS + SINGLE_KINDS else [plural(n) for n in names]


TASKS = {"list_n": (list_n, 9), "list_one": (list_one, 0.7), "rearranged": (rearranged, 8),
         "converted": (converted, 2), "sort": (sort_words, 1), "numbers": (numbers, 1.5), "count_words": (count_words, 0.5), "kinds": (kinds, 2.5),
         "list_from_text": (list_from_text, 7)}
