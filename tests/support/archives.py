"""Archives as a test needs them."""

from cfevents.storage import Archive


async def make_archive(path: str) -> None:
    """Make an archive that has nothing, as a first run that the network interrupts leaves it."""
    async with Archive(path):
        pass
