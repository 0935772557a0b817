#!/usr/bin/env python3
"""How a server holds under clients: many at once stream /v1/completions, with lengths taken from a trace.

    bench/serve_load.py URL --trace AzureLLMInferenceTrace_conv.csv --scale 8 --clients 1,4,16,64 --requests 64
    bench/serve_load.py URL_A --against URL_B ...

One line of JSON for each round and number of clients: tokens a second of all together, the time to the first token and
the gaps between tokens (median and 95th percentile, seconds). With --against the two servers are asked in turn (A B A B),
--rounds times each, and a last line for each number of clients has the ratios A / B of the medians.

A client asks again as soon as it has its answer. Prompts are words drawn from a seed, other ones in each round, and the
same for both servers: neither finds an earlier round in its cache. Answers are greedy, of a given length, and go on over
an end token. Works with any server that has the OpenAI API's /v1/completions and streams (issun, llama-server). Nothing
but Python is needed.
"""
import argparse
import asyncio
import csv
import json
import random
import statistics
import sys
import time
import urllib.parse

WORDS = ("the of and to in that was his he it with is for as had you not be her on at by which have or from this him but all "
         "she they were my are me one their so an said them we who would been will no when there if more out up into do any "
         "your what has man could other than our some very time upon about may its only now like little then can made should "
         "did us such great before must two these see know over much down after first good men").split()


def read_trace(path, scale, most_prompt, most_answer):
    """(words of a prompt, tokens of an answer) of each request."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"ContextTokens", "GeneratedTokens"} <= rows[0].keys():
        sys.exit(f"{path}: expected columns ContextTokens and GeneratedTokens")

    def scaled(text, most):
        return max(1, min(most, round(int(text) / scale)))

    return [(scaled(row["ContextTokens"], most_prompt), scaled(row["GeneratedTokens"], most_answer)) for row in rows]


class Failure(Exception):
    pass


async def stream(url, body, key):
    """Times of the pieces of an answer, and what it cost as the server counts it (None: it does not say)."""
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection(url.hostname, url.port or 80, limit=1 << 22)
    try:
        head = f"POST {url.path.rstrip('/')}/v1/completions HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n" \
               f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        if key:
            head += f"Authorization: Bearer {key}\r\n"
        writer.write(head.encode() + b"\r\n" + data)
        await writer.drain()
        status = (await reader.readline()).split()
        if len(status) < 2 or status[1] != b"200":
            raise Failure(f"status {status[1:2]}: {(await reader.read(2000))[-300:]!r}")
        times, usage = [], None
        while line := await reader.readline():  # lines of chunk lengths and blank ones are passed over
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[len(b"data: "):])
            if "error" in event:
                raise Failure(str(event["error"]))
            usage = event.get("usage") or usage
            if any(choice.get("text") for choice in event.get("choices", ())):
                times.append(time.perf_counter())
        return times, usage
    finally:
        writer.close()


async def one_round(url, requests, clients, seed, options):
    """Figures of all requests, asked by so many clients at once."""
    waiting = list(enumerate(requests))[::-1]
    first, gaps, failures = [], [], []
    tokens = {"prompt": 0, "generated": 0}

    async def client():
        while waiting:
            number, (words, answer) = waiting.pop()
            draw = random.Random(f"{seed} {number}")
            body = {"prompt": " ".join(draw.choice(WORDS) for _ in range(words)), "max_tokens": answer,
                    "temperature": 0, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
            if options.model:
                body["model"] = options.model
            began = time.perf_counter()
            try:
                times, usage = await asyncio.wait_for(stream(url, body, options.api_key), options.timeout)
            except (Failure, OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                failures.append(f"{type(error).__name__}: {error}")
                continue
            if not times:
                failures.append("an answer without text")
                continue
            first.append(times[0] - began)
            gaps.extend(b - a for a, b in zip(times, times[1:]))
            tokens["prompt"] += (usage or {}).get("prompt_tokens", words)
            tokens["generated"] += (usage or {}).get("completion_tokens", len(times))

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - began
    return {"url": url.geturl(), "clients": clients, "requests": len(requests), "failed": len(failures),
            "why": failures[:3], "seconds": seconds, "prompt_tokens": tokens["prompt"],
            "generated_tokens": tokens["generated"], "generated_tokens_per_second": tokens["generated"] / seconds,
            "tokens_per_second": (tokens["generated"] + tokens["prompt"]) / seconds,
            "first_token_p50": percentile(first, 50), "first_token_p95": percentile(first, 95),
            "gap_p50": percentile(gaps, 50), "gap_p95": percentile(gaps, 95)}


def percentile(values, percent):
    """None where there are no values."""
    values = sorted(values)
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else None


RATIOS = ("generated_tokens_per_second", "tokens_per_second", "first_token_p50", "first_token_p95", "gap_p50", "gap_p95")


def ratios(of_a, of_b):
    """A / B of the medians over the rounds."""
    found = {}
    for name in RATIOS:
        a, b = ([row[name] for row in rows if row[name]] for rows in (of_a, of_b))
        found[name] = statistics.median(a) / statistics.median(b) if a and b else None
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="http://host:port")
    parser.add_argument("--against", help="another server, asked in turn")
    parser.add_argument("--trace", required=True, help="CSV with ContextTokens and GeneratedTokens")
    parser.add_argument("--scale", type=float, default=8, help="lengths of the trace are divided by it")
    parser.add_argument("--most-prompt", type=int, default=1024, help="words of the longest prompt")
    parser.add_argument("--most-answer", type=int, default=256, help="tokens of the longest answer")
    parser.add_argument("--clients", default="1,4,16,64")
    parser.add_argument("--requests", type=int, default=64, help="in a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", help="as the server calls it, if it wants to know")
    parser.add_argument("--api-key")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for an answer")
    options = parser.parse_args()
    urls = [urllib.parse.urlsplit(url) for url in (options.url, options.against) if url]
    if any(url.scheme != "http" or not url.hostname for url in urls):
        parser.error("expected http://host:port")
    if options.scale <= 0 or options.requests < 1 or options.rounds < 1:
        parser.error("expected --scale above 0, --requests and --rounds from 1")
    return options, urls


def main():
    options, urls = parse_arguments()
    trace = read_trace(options.trace, options.scale, options.most_prompt, options.most_answer)
    failed = False
    for clients in map(int, options.clients.split(",")):
        rows = [[] for _ in urls]
        for turn in range(options.rounds):
            seed = f"{options.seed} {clients} {turn}"
            requests = random.Random(seed).sample(trace, min(options.requests, len(trace)))
            for which, url in enumerate(urls):
                row = asyncio.run(one_round(url, requests, clients, seed, options))
                failed = failed or row["failed"] > 0
                rows[which].append(row)
                print(json.dumps({"round": turn, **row}), flush=True)
        if len(urls) == 2:
            print(json.dumps({"clients": clients, "ratios": ratios(*rows)}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
