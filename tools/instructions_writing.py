"""Tasks of writing: outlines, summaries, titles, politeness, stories and how they go on."""
from instructions_phrases import SLOT
from instructions_tables import WEEK


def slots_of(m):
    """What fills the templates of the files writing.*.txt."""
    t = m.tables
    names = [t.person()[0] for _ in range(2)]
    animals = m.rng.sample(t.things["animal"], 2)
    days = m.rng.sample(range(7), 2)
    thing, tool, pet, job, bird = t.object(), t.thing("tool"), t.pet(), t.thing("job"), t.thing("bird")
    clothing = t.thing("clothing")
    kinds = ("place", "furniture", "hobby", "colour", "food", "fruit", "season", "weather", "vegetable", "dish",
             "instrument", "machine", "room", "drink", "vehicle")
    slots = {k: t.thing(k).name for k in kinds}
    slots["weather"] = m.rng.choice(["rain", "snow", "wind", "fog"] if not m.ja else ["大雨", "大雪", "強い風", "濃い霧"])
    slots.update(name=names[0], name2=names[1], animal=animals[0].name, a_animal=t.a(animals[0]),
                 animal2=animals[1].name, a_animal2=t.a(animals[1]), day=WEEK[m.lang][days[0]],
                 day2=WEEK[m.lang][days[1]], thing=thing.name, a_thing=t.a(thing), tool=tool.name, a_tool=t.a(tool),
                 pet=pet.name, a_pet=t.a(pet), job=job.name, a_job=t.a(job), bird=bird.name, a_bird=t.a(bird),
                 clothing=clothing.name, a_clothing=t.a(clothing), town=t.town(), town2=t.town(), month=t.month(),
                 time=t.time(), n=m.rng.randint(2, 40), nature=t.landscape().name, sweet=t.thing("sweet").name,
                 petname=m.rng.choice(t.facts["pet_names"]),
                 things=m.rng.choice(["books", "shoes", "toys", "tea", "flowers", "clocks", "hats"] if not m.ja else
                                     ["本", "靴", "おもちゃ", "お茶", "花", "時計", "帽子"]))
    return slots


def outline(m):
    """A numbered outline of n points."""
    slots = slots_of(m)
    cells = m.rng.choice(m.writing["outlines"]).split(" | ")
    topic, *points = [m.phrases.expand(c.strip(), **slots) for c in cells]
    n = m.rng.randint(3, len(points)) if m.chance(0.8) else m.rng.randint(2, len(points))
    kept = sorted(m.rng.sample(range(len(points)), n)) if m.chance(0.3) else range(n)
    answer = "\n".join(f"{i}. {points[k]}" for i, k in enumerate(kept, 1))
    number = m.rng.choice([str(n), "〇一二三四五"[n]]) if m.ja else m.number_text(n)
    return m.ask("outline", "outline", answer, True, x=topic, n=number)


def digest(m):
    """(sentences, summary, title) of a made-up report."""
    slots = slots_of(m)
    text, summary, title = m.rng.choice(m.writing["digests"]).split(" => ")
    first, *others = [s.strip() for s in text.split(" ~ ")]
    needed = set(SLOT.findall(summary)) - set(SLOT.findall(first))
    kept = [k for k, s in enumerate(others) if k == 0 or needed & set(SLOT.findall(s)) or m.chance(0.7)]
    first, *others = [m.phrases.expand(s, **slots) for s in [first] + others]
    end = "。" if m.ja else "."
    parts = [s if s[-1] in '."」' and not m.ja else s + end for s in [first] + [others[k] for k in kept]]
    parts = [p if m.ja else p[0].upper() + p[1:] for p in parts]
    summary, title = (m.phrases.expand(t, **slots) for t in (summary, title))
    title = " ".join(w if m.ja or len(w) < 4 else w[0].upper() + w[1:] for w in title.split(" "))
    return parts, summary[0].upper() + summary[1:], title[0].upper() + title[1:]


def summary(m):
    parts, short, _ = digest(m)
    text = m.corpus.join(parts)
    return m.one("summary", m.phrases.compose("summary", text, "text"), short, text)


def fact_summary(m):
    """A summary of facts about one person or thing: its first two sentences as one."""
    facts, _ = m.facts_book.about_one(m.rng.choice(list(m.facts_book.kinds)), m.rng.randint(2, 5))
    text = m.corpus.join(f.sentence for f in facts)
    name = facts[0].subject
    if m.ja:
        answer = f"{name}についての文章です。" + facts[0].full
        return m.one("summary", m.phrases.compose("summary", text, "text"), answer, text)
    answer = f"The text is about {name}. {facts[0].full}"
    return m.one("summary", m.phrases.compose("summary", text, "text"), answer, text)


def title(m):
    parts, _, heading = digest(m)
    text = m.corpus.join(parts)
    return m.one("title", m.phrases.compose("title", text, "text"), heading, text)


def polite(m):
    """A plain request made polite; Japanese also the other way round."""
    if m.ja:
        cells = [c.strip() for c in m.rng.choice(m.tables.knowledge["polite"]).split("|")]
        who = m.rng.choice(["", "", "お母さん、", m.tables.person()[0] + "、", "ねえ、", "明日、", "今日は、", "あとで、", "この部屋で、"])
        plain, courteous = m.rng.choice([cells[:2], cells[2:]])
        way = "polite" if m.chance(0.75) else "plain"
        if way == "plain":
            plain, courteous = courteous, plain
        return m.one(way, m.phrases.compose(way, who + plain, "sentence"), who + courteous, who + plain)
    request = m.phrases.expand(m.rng.choice(m.writing["requests"]), **slots_of(m))
    when = m.rng.choice(["", "", "", " now", " today", " this evening", " when you have time", " after lunch"])
    plain = request[0].upper() + request[1:] + when + m.rng.choice([".", "!"])
    prompt = m.phrases.compose("polite", plain, "sentence")
    return m.one("polite", prompt, f"Could you please {request}{when}?", plain)


def go_on(m):
    """The next sentence or sentences of a passage of the corpus."""
    parts = m.corpus.passage(3, 6, 500)
    n = m.rng.randint(1, min(3, len(parts) - 1))
    text = m.corpus.join(parts[:-n])
    length = {1: "one sentence", 2: "two sentences", 3: "three sentences"}[n] if not m.ja else f"{n}文"
    prompt = m.phrases.compose("continue", text, "text", n=length)
    if not m.ja and length.split()[0] not in prompt and n > 1:
        prompt = m.phrases.compose("continue", text, "text", n=length)
    return m.one("continue", prompt, m.corpus.join(parts[-n:]), text)


def story(m):
    """A very short story about something."""
    slots = slots_of(m)
    template = m.rng.choice(m.writing["stories"])
    keys = [k for k in ("name", "animal", "a_animal", "job", "a_job", "thing", "instrument", "town")
            if "{" + k + "}" in template]
    key = m.rng.choice(keys)
    about = slots[key]
    if not m.ja and key in ("animal", "job", "thing", "instrument"):
        about = slots.get("a_" + key) or "the " + about
    return m.ask("story", "story_start", m.phrases.expand(template, **slots), x=about)


TASKS = {"outline": (outline, 3.5), "summary": (summary, 2.5), "fact_summary": (fact_summary, 0.7),
         "title": (title, 1.2), "polite": (polite, 1.2), "continue": (go_on, 1.2), "story": (story, 1.2)}
