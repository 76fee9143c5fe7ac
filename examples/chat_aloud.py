"""A language model's answer, heard while it is written: from any chat endpoint of OpenAI's kind to a service.

speechmill serve --set limits.idle_text_s=120 &
python examples/chat_aloud.py "Why is the sky blue?" --chat http://127.0.0.1:11434/v1 --model llama3 --wav answer.wav

Needs the packages openai and websockets. Keys come from OPENAI_API_KEY and SPEECHMILL_API_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import wave
from collections.abc import AsyncIterator

from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect


async def written(prompt: str, url: str, model: str) -> AsyncIterator[str]:
    """The answer, as the language model writes it."""
    client = AsyncOpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
    asked = [{"role": "user", "content": prompt}]
    async for part in await client.chat.completions.create(model=model, messages=asked, stream=True):  # type: ignore[call-overload]
        if part.choices and (text := part.choices[0].delta.content):
            yield text


async def write(socket: ClientConnection, text: AsyncIterator[str]) -> None:
    """Send the text on, as it comes; the service knows what can be spoken already."""
    async for part in text:
        print(part, end="", flush=True, file=sys.stderr)
        await socket.send(json.dumps({"type": "input.text", "text": part}))
    await socket.send(json.dumps({"type": "input.done"}))


async def hear(socket: ClientConnection, file: wave.Wave_write) -> float | None:
    """Write the audio down as it comes; the time of the first."""
    first_s: float | None = None
    async for message in socket:
        if isinstance(message, bytes):
            first_s = first_s or time.perf_counter()
            file.writeframes(message)  # or to a player
            continue
        told = json.loads(message)
        if told["type"] == "audio.start":
            file.setframerate(told["sample_rate"])
        elif told["type"] == "error":
            raise SystemExit(f"the service refused: {told['message']}")
        elif told["type"] == "session.done":
            break
    return first_s


async def main(arguments: argparse.Namespace) -> None:
    """Both at once."""
    token = os.environ.get("SPEECHMILL_API_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = arguments.speech.replace("http", "ws", 1) + "/v1/audio/speech/stream"
    with wave.open(arguments.wav, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)  # until audio.start tells it
        async with connect(url, additional_headers=headers) as socket:
            config = {"type": "session.config", "stream_audio": True, "response_format": "pcm", "seed": arguments.seed}
            await socket.send(json.dumps(config))
            began_s = time.perf_counter()
            text = written(arguments.prompt, arguments.chat, arguments.model)
            first_s, _ = await asyncio.gather(hear(socket, file), write(socket, text))
        heard_s = file.getnframes() / file.getframerate()
    if first_s is not None:
        print(f"\nfirst audio after {first_s - began_s:.2f} s, {heard_s:.1f} s of speech in {arguments.wav}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt")
    parser.add_argument("--chat", default="https://api.openai.com/v1", help="the chat endpoint's base")
    parser.add_argument("--model", default="gpt-4o-mini", help="of the chat endpoint")
    parser.add_argument("--speech", default="http://127.0.0.1:8000", help="the service")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wav", default="answer.wav")
    asyncio.run(main(parser.parse_args()))
