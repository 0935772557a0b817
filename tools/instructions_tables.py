"""Tables of things, names and values in one language: what instructions are filled with."""
from dataclasses import dataclass

from instructions_phrases import DATA, read_language, read_sections

PETS = {"dog", "cat", "rabbit", "mouse", "turtle", "goldfish", "parrot", "horse", "goat", "frog", "duck"}
LANDSCAPE = {"mountain", "river", "lake", "forest", "desert", "valley", "volcano", "waterfall"}
OBJECT_KINDS = ("tool", "stationery", "clothing", "kitchen", "toy", "instrument")
CARRIED = {"stationery", "clothing", "toy"}
NO_ARTICLE = {"vegetable": ("celery", "broccoli", "cauliflower", "asparagus", "ginger"),
              "weather": ("rain", "snow", "wind", "fog", "thunder", "sunshine", "hail", "drizzle", "frost", "lightning"),
              "material": None, "metal": None, "sport": None, "subject": None, "season": None,
              "hobby": None, "colour": None, "country": None, "planet": None, "drink": None,
              "feeling": None, "dish": ("curry", "sushi", "spaghetti", "tempura", "ramen", "stew", "soba", "udon", "gratin",
                                        "fried rice", "lasagne", "risotto", "dumplings", "sukiyaki", "fish and chips"),
              "food": ("bread", "rice", "cheese", "butter", "soup", "meat", "tofu", "honey", "salt",
                       "sugar", "noodles", "porridge", "ham", "bacon", "yoghurt", "jam", "flour", "oil", "vinegar",
                       "soy sauce", "miso", "seaweed", "pickles"),
              "sweet": ("chocolate", "ice cream", "candy", "jelly", "caramel", "sweet bean jelly"),
              "tree": ("bamboo",), "clothing": ("trousers", "boots", "sandals", "pyjamas", "slippers"),
              "tool": ("pliers", "tongs"), "stationery": ("scissors", "glue", "ink", "chalk", "tape", "paint"),
              "kitchen": ("chopsticks",), "nature": ("sand", "sky"), "room": ("stairs",), "toy": ("cards", "dice", "blocks"),
              "family": ("parents",), "body": ("hair", "skin")}
PLURALS = {"mouse": "mice", "sheep": "sheep", "fish": "fish", "foot": "feet", "tooth": "teeth", "goose": "geese",
           "knife": "knives", "shelf": "shelves", "potato": "potatoes", "tomato": "tomatoes", "calf": "calves",
           "leaf": "leaves", "goldfish": "goldfish", "deer": "deer", "reindeer": "reindeer", "wolf": "wolves",
           "scarf": "scarves", "salmon": "salmon", "ox": "oxen", "wife": "wives", "sweetfish": "sweetfish",
           "pufferfish": "pufferfish", "catfish": "catfish", "louse": "lice", "policeman": "policemen",
           "postman": "postmen", **{word: word for word in (
               "trousers", "scissors", "pliers", "chopsticks", "blocks", "glue", "boots", "sandals", "pyjamas", "slippers",
               "pickles", "dumplings", "cards", "dice", "parents", "stairs", "tongs", "noodles", "fish and chips",
               "broccoli", "celery", "cauliflower", "asparagus", "ginger", "ink", "chalk", "hair")}}
WEEK = {"en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "ja": ["月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日", "日曜日"]}
MONTHS = {"en": ["January", "February", "March", "April", "May", "June", "July", "August",
                 "September", "October", "November", "December"],
          "ja": [f"{m}月" for m in range(1, 13)]}
DIGITS = {"en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
          "ja": ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十"]}
ORDINALS = {"en": ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"],
            "ja": ["一番目", "二番目", "三番目", "四番目", "五番目", "六番目", "七番目", "八番目"]}
SYLLABLES = {"en": ["ba", "do", "ke", "li", "mo", "na", "pe", "ri", "so", "tu", "va", "zi", "ro", "fa", "el",
                    "or", "an", "mi", "ta", "lu", "ne", "ka", "ver", "den", "mar"],
             "ja": list("アイウエカキクケコサシスセソタテトナニノハヒフホマミムモヤユラリルレロワ") + ["ー", "ン"]}


@dataclass
class Thing:
    """A thing of the lexicon; what: what it is, in the same language, or an empty text."""
    name: str
    other: str      # its name in the other language
    kind: str
    what: str
    plain: bool     # English: takes no article


def with_article(word):
    """An English noun with a or an."""
    return ("an " if word[0].lower() in "aeiou" and not word.startswith(("uni", "one")) else "a ") + word


def plural(word):
    """The plural of an English noun of the lexicon."""
    if word in PLURALS:
        return PLURALS[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


class Tables:
    """All tables of one language; every draw comes from rng."""

    def __init__(self, lang, phrases, rng):
        self.lang, self.rng, self.phrases = lang, rng, phrases
        self.facts = read_language("facts", lang)
        self.read_names = []    # names that the corpus has, once it is read
        self.knowledge = read_language("knowledge", lang)
        self.things, self.kind_names = self._lexicon()

    def _lexicon(self):
        things, names = {}, {}
        for kind, lines in read_sections(DATA / "lexicon.txt").items():
            for line in lines:
                cells = [c.strip() for c in line.split(" | ")]
                if kind == "kinds":
                    names[cells[0]] = (cells[3], cells[3]) if self.lang == "ja" else tuple(cells[1:3])
                    continue
                english, japanese = cells[0].lstrip("~"), cells[1]
                what = (cells[3] if self.lang == "ja" else cells[2]) if len(cells) > 3 else ""
                none = NO_ARTICLE.get(kind, ())
                plain = none is None or english in none or english.startswith("the ")
                name, other = (japanese, english) if self.lang == "ja" else (english, japanese)
                things.setdefault(kind, []).append(Thing(name, other, kind, what.lstrip("~"), plain))
        return things, names

    def thing(self, *kinds):
        return self.rng.choice(self.things[self.rng.choice(kinds)])

    def object(self):
        """A thing that can be carried, put and lost."""
        while True:
            thing = self.thing(*OBJECT_KINDS)
            if not thing.plain and thing.name not in ("ladder", "はしご", "piano", "ピアノ", "organ", "オルガン"):
                return thing

    def pet(self):
        return self.rng.choice([t for kind in ("animal", "bird", "fish") for t in self.things[kind]
                                if (t.other if self.lang == "ja" else t.name) in PETS])

    def landscape(self):
        return self.rng.choice([t for t in self.things["nature"]
                                if (t.other if self.lang == "ja" else t.name) in LANDSCAPE])

    def kind(self, kind):
        """(singular, plural) of a kind, in one of its wordings."""
        return tuple(self.phrases.expand(name) for name in self.kind_names[kind])

    def a(self, thing):
        """The thing with its article, where the language has one."""
        return thing.name if self.lang == "ja" or thing.plain else with_article(thing.name)

    # -- names and values -------------------------------------------------------------------------

    def word_of_syllables(self, fewest=2, most=4):
        """A word that nobody has read before."""
        count = self.rng.randint(fewest, most)
        text = "".join(self.rng.choice(self.SYL) for _ in range(count))
        text = text.replace("ーー", "ー").replace("ンン", "ン").lstrip("ーン")
        if len(text) < 2:
            return self.word_of_syllables(fewest, most)
        return text.capitalize() if self.lang == "en" else text

    @property
    def SYL(self):
        return SYLLABLES[self.lang]

    def person(self):
        """(name, gender "f" or "m"): a given name, a full name, or a made-up one."""
        gender = self.rng.choice("fm")
        given = self.rng.choice(self.facts["names_" + gender])
        surname = self.rng.choice(self.facts["surnames"])
        made_up = self.word_of_syllables(2, 3)
        if self.lang == "ja":
            name = self.rng.choice([given, surname, surname, surname + given, made_up])
            if len(made_up) < 2 and name == made_up:
                name = given
            name = surname + given if len(name) > 6 else name
            return name + ("さん" if self.rng.random() < 0.7 else ""), gender
        return self.rng.choice([given, given, given, f"{given} {surname}", made_up]), gender

    def anyone(self):
        """A name, of a person of either gender: from the tables, from the corpus, or made up."""
        draw = self.rng.random()
        if draw < 0.4 or not self.read_names:
            return self.person()[0]
        if draw < 0.8:
            name = self.rng.choice(self.read_names)
            return name + ("さん" if self.lang == "ja" and self.rng.random() < 0.4 else "")
        return self.word_of_syllables(2, 3)

    def town(self):
        first, second = (part.split("|") for part in self.facts["town_parts"][:2])
        if self.rng.random() < 0.25:
            return self.word_of_syllables(2, 4) + ("町" if self.lang == "ja" else "")
        return self.rng.choice(first) + self.rng.choice(second)

    def made_up_name(self, kind):
        """The name of a shop, an event, a book, ... from the section of its kind."""
        return self.phrases.expand(self.rng.choice(self.facts[kind]), x=self.word_of_syllables(),
                                   name=self.rng.choice(self.facts["names_f"]), town=self.town(),
                                   surname=self.rng.choice(self.facts["surnames"]))

    def in_words(self, n):
        """A number up to 20 as a word."""
        if self.lang == "ja":
            tens = "" if n < 10 else "十" if n < 20 else "二十"
            return tens + (DIGITS["ja"][n % 10] if n % 10 or n == 0 else "")
        return (DIGITS["en"] + ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
                                "eighteen", "nineteen", "twenty"])[n]

    def day(self):
        return self.rng.choice(WEEK[self.lang])

    def month(self):
        return self.rng.choice(MONTHS[self.lang])

    def date(self):
        day = self.rng.randint(1, 28)
        if self.lang == "ja":
            return f"{self.month()}{day}日"
        return self.rng.choice([f"{self.month()} {day}", f"{day} {self.month()}"])

    def time(self):
        hour, minute = self.rng.randint(6, 22), self.rng.choice([0, 0, 0, 10, 15, 20, 30, 30, 40, 45, 50])
        if self.lang == "ja":
            part = "午前" if hour < 12 else "午後"
            clock = f"{part}{hour if hour <= 12 else hour - 12}時"
            half = minute == 30 and self.rng.random() < 0.4
            return clock + ("" if minute == 0 else "半" if half else f"{minute}分")
        return f"{hour}:{minute:02}" if self.rng.random() < 0.5 else \
            f"{(hour - 1) % 12 + 1}{f':{minute:02}' if minute else ''} {'am' if hour < 12 else 'pm'}"

    def morning(self):
        """A time before noon."""
        hour, minute = self.rng.randint(5, 11), self.rng.choice([0, 0, 15, 20, 30, 45])
        if self.lang == "ja":
            return f"{hour}時" + ("" if minute == 0 else f"{minute}分")
        if self.rng.random() < 0.6:
            return f"{hour}:{minute:02}"
        return f"{hour}{f':{minute:02}' if minute else ''} am"

    def price(self):
        if self.lang == "ja":
            amount = self.rng.choice([self.rng.randint(1, 99) * 10, self.rng.randint(1, 99) * 100])
            return f"{amount}円"
        return f"{self.rng.choice([self.rng.randint(2, 99), self.rng.randint(1, 30) * 10])} " + \
            self.rng.choice(["dollars", "euros", "pounds", "dollars"])

    def email(self):
        user = self.rng.choice(["info", "hello", "office", "ticket", "mail"] + [
            "".join(self.rng.choice(SYLLABLES["en"]) for _ in range(2)) for _ in range(5)])
        site = "".join(self.rng.choice(SYLLABLES["en"]) for _ in range(self.rng.randint(2, 3)))
        return f"{user}@{site}.example"

    def phone(self):
        return "-".join("".join(self.rng.choice("0123456789") for _ in range(n))
                        for n in self.rng.choice([(3, 4), (3, 3, 4), (2, 4, 4)]))

    def year(self):
        year = self.rng.randint(1820, 2025)
        return f"{year}年" if self.lang == "ja" else str(year)

    def code(self):
        """A string without meaning: letters and digits in groups."""
        groups = ["".join(self.rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in
                          range(self.rng.randint(1, 4))) for _ in range(self.rng.randint(1, 3))]
        return self.rng.choice(["-", " ", "", "/", "."]).join(groups)

    def value(self, kind):
        """(text, with article, plural) of a kind of value as the files of facts name it."""
        head, _, rest = kind.partition(" ")
        if head == "num":
            low, high = map(int, rest.split("-"))
            n = self.rng.randint(low, high)
            return (self.in_words(n) if n <= 20 and self.rng.random() < 0.3 else str(n),) * 3
        if head in ("lex", "the"):
            chosen = self.rng.choice(rest.split("+"))
            thing = {"pet": self.pet, "nature2": self.landscape}.get(chosen, lambda: self.thing(chosen))()
            return thing.name, self.a(thing), plural(thing.name)
        makers = {"place": self.town, "name": self.anyone, "day": self.day,
                  "month": self.month, "morning": self.morning, "date": self.date, "time": self.time, "price": self.price,
                  "email": self.email, "phone": self.phone, "year": self.year}
        if head not in makers:
            raise ValueError(f"facts.{self.lang}.txt: expected a kind of value, found {kind!r}")
        return (makers[head](),) * 3
