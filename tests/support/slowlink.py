"""A slow and bad line to a server, as a program: low throughput, high latency, and connections that break now and then.

    python slowlink.py LISTEN_HOST LISTEN_PORT TARGET_HOST TARGET_PORT BYTES_PER_S ONE_WAY_S BREAK_EVERY

All connections share the line, in each direction. Every BREAK_EVERY-th connection is reset after a number of bytes that
differs each time. Standard output gets "up", then "broken" for each reset connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from dataclasses import dataclass, field

_CHUNK_BYTES = 16_384
_MAX_ON_THE_WAY = 64
"""The most chunks on their way in a direction of a connection."""
_LAST_BYTE = 200_000
"""The longest life of a connection that is to be broken."""


@dataclass(slots=True)
class Direction:
    """One way of the line: when it is free again, by the loop's clock."""

    bytes_per_s: float
    free_at_s: float = 0.0

    async def carry(self, num_bytes: int) -> None:
        """Wait until the line has taken so many bytes."""
        now_s = asyncio.get_running_loop().time()
        self.free_at_s = max(now_s, self.free_at_s) + num_bytes / self.bytes_per_s
        await asyncio.sleep(self.free_at_s - now_s)


@dataclass(slots=True)
class Connection:
    """The bytes of one connection, both directions together."""

    writers: list[asyncio.StreamWriter]
    bytes_left: float
    is_broken: bool = False

    def passes(self, num_bytes: int) -> bool:
        """Count bytes; whether the connection still stands after them."""
        self.bytes_left -= num_bytes
        if self.bytes_left < 0 and not self.is_broken:
            self.is_broken = True
            print("broken", flush=True)
            for writer in self.writers:
                writer.transport.abort()
        return not self.is_broken


@dataclass(slots=True)
class SlowLink:
    """The line, and its server."""

    target: tuple[str, int]
    bytes_per_s: float
    one_way_s: float
    break_every: int
    num_connections: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    async def serve(self, host: str, port: int) -> None:
        """Serve until the process is killed."""
        ways = Direction(self.bytes_per_s), Direction(self.bytes_per_s)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*self.target)
                connection = Connection([writer, far_writer], self._bytes_left())
                await asyncio.gather(
                    self._pump(reader, far_writer, ways[0], connection),
                    self._pump(far_reader, writer, ways[1], connection),
                )
            writer.close()

        async with await asyncio.start_server(connected, host, port, backlog=128) as server:
            print("up", flush=True)
            await server.serve_forever()

    def _bytes_left(self) -> float:
        self.num_connections += 1
        is_doomed = self.num_connections % self.break_every == 0
        return self.chance.randrange(_LAST_BYTE) if is_doomed else float("inf")

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Direction, connection: Connection
    ) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_ON_THE_WAY)
        arriving = asyncio.create_task(self._arrive(on_the_way, sink, connection))
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK_BYTES):
                await way.carry(len(chunk))
                await on_the_way.put((asyncio.get_running_loop().time() + self.one_way_s, chunk))
        await on_the_way.put((0.0, b""))
        await arriving

    async def _arrive(
        self, on_the_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, connection: Connection
    ) -> None:
        is_open = True
        while (arrival := await on_the_way.get())[1]:
            at_s, chunk = arrival
            await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))
            if is_open := is_open and connection.passes(len(chunk)):
                with contextlib.suppress(OSError):
                    sink.write(chunk)
                    await sink.drain()
        sink.close()


def main(arguments: list[str]) -> None:
    """Run the line that the arguments describe."""
    host, port, target_host, target_port, bytes_per_s, one_way_s, break_every = arguments
    link = SlowLink((target_host, int(target_port)), float(bytes_per_s), float(one_way_s), int(break_every))
    asyncio.run(link.serve(host, int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])
