"""The models that come with the program: sound, and what their cards say of them."""
import json
import math

import program
from program import DEFAULT, ProgramTest, SOURCE

MODELS = SOURCE / "models"
MIXTURE = MODELS / "issun-moe-38m.gguf"
EMBEDDER = MODELS / "issun-embed.gguf"
GREEDY = ("--temp", "0", "-n", "60")


class Models(ProgramTest):
    def answer(self, question, *model, isa=None):
        return self.succeed("run", *model, "-p", question, *GREEDY, isa=isa).text.strip()

    def test_every_model_is_sound_and_no_greater_than_promised(self):
        for path, most in ((DEFAULT, 16e6), (MIXTURE, 24e6), (EMBEDDER, 12e6)):
            with self.subTest(model=path.name):
                self.succeed("verify", path)
                self.assertLessEqual(path.stat().st_size, most)

    def test_without_a_model_the_one_that_comes_with_the_program_answers(self):
        question = "How many days does a week have?"
        unnamed = self.succeed("run", "-p", question, *GREEDY, cwd=self.folder)
        self.assertEqual(unnamed.text.strip(), self.answer(question, DEFAULT))

    def test_a_question_is_answered_in_its_language_on_every_instruction_set(self):
        for isa in program.isas():
            with self.subTest(isa=isa):
                self.assertIn("seven", self.answer("How many days does a week have?", isa=isa))
                self.assertIn("東京", self.answer("日本の首都はどこですか。", isa=isa))

    def test_an_answer_is_found_in_the_text_that_is_given(self):
        text = "Mira lives in Oslo. She has two cats. Her brother Jan sells old clocks."
        self.assertIn("Oslo", self.answer(f"{text}\n\nWhere does Mira live?"))

    def test_the_mixture_writes_japanese_and_english(self):
        for prompt, ours in (("The old man looked at the sea", str.isascii),
                             ("江戸の町には、", lambda c: not c.isascii())):
            text = self.succeed("run", MIXTURE, "--raw", "-p", prompt, *GREEDY).text
            share = sum(map(ours, text)) / max(1, len(text))
            self.assertGreater(share, 0.8, text)

    def test_the_embedder_finds_the_passage_that_answers(self):
        texts = ["今日は雨が降っています。", "富士山は日本で一番高い山です。",
                 "The library opens at nine in the morning.", "Bread is made of flour, water and yeast."]
        questions = {"日本で一番高い山は何ですか": 1, "When does the library open?": 2,
                     "What is bread made of?": 3}
        lines = "\n".join([*texts, *questions]).encode()
        done = self.succeed("embed", EMBEDDER, "--json", stdin=lines)
        vectors = [entry["embedding"] for entry in json.loads(done.text)["embeddings"]]
        for i, best in enumerate(questions.values()):
            scores = [math.fsum(a * b for a, b in zip(vectors[len(texts) + i], v))
                      for v in vectors[:len(texts)]]
            self.assertEqual(program.argmax(scores), best, scores)


if __name__ == "__main__":
    program.main()
