"""Answers bound to a grammar or a JSON Schema: whatever the model would rather say, they follow it."""
import json
import re

import program
from program import ProgramTest, STORIES

PERSON = {
    "type": "object",
    "properties": {
        "name": {"enum": ["Tom", "Lily", "Max"]},
        "age": {"type": "integer", "minimum": 1, "maximum": 99},
        "pets": {"type": "array", "items": {"enum": ["cat", "dog"]}, "minItems": 1, "maxItems": 3},
        "kind": {"type": "boolean"},
    },
    "required": ["name", "age", "pets"],
    "additionalProperties": False,
}


class Grammar(ProgramTest):
    def answer(self, *arguments, seed=1, temperature=0.8):
        return self.succeed("run", STORIES, "-p", "Once", "--no-display-prompt", "-n", 200, "-s", seed,
                            "--temp", temperature, *arguments).text

    def test_json_by_a_schema_parses_and_satisfies_it(self):
        for seed in range(4):
            with self.subTest(seed=seed):
                person = json.loads(self.answer("-j", json.dumps(PERSON), seed=seed))
                self.assertIn(person["name"], PERSON["properties"]["name"]["enum"])
                self.assertIn(person["age"], range(1, 100))
                self.assertIn(len(person["pets"]), (1, 2, 3))
                self.assertLessEqual(set(person), set(PERSON["properties"]))

    def test_a_grammar_is_followed_to_its_end(self):
        text = self.answer("--grammar", 'root ::= "yes" | "no" " "? [a-c]{2,4} "."', temperature=0)
        self.assertRegex(text, r"^(yes|no ?[a-c]{2,4}\.)\n$")

    def test_both_may_come_from_a_file(self):
        path = self.folder / "text"
        path.write_text("root ::= [0-9]{4}")
        self.assertTrue(re.fullmatch(r"\d{4}\n", self.answer("--grammar-file", path)))
        path.write_text('{"const": [1, {"a": null}]}')
        self.assertEqual(json.loads(self.answer("-jf", path)), [1, {"a": None}])

    def test_what_is_not_supported_is_refused_by_name(self):
        schema = '{"properties": {"a": {"uniqueItems": true}}}'
        self.refuse("run", STORIES, "-p", "a", "-j", schema, naming=("#/properties/a/uniqueItems",))
        self.refuse("run", STORIES, "-p", "a", "--grammar", "root ::= x", naming=("line 1, column 10",))
        self.refuse("run", STORIES, "-p", "a", "--grammar", "x", "-j", "{}", status=2)


if __name__ == "__main__":
    program.main()
