"""The pictures that links to the site are shown with, one for each page: its title in both languages and a figure."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from downhill_course.notebook.cells import halves, read
from downhill_course.pages.head import CARD_SIZE
from downhill_course.project import ROOT

COVER = ROOT / "book" / "_static" / "cover.png"
PAPER, INK, TEAL, SUN, GREY = "#fdfdfb", "#1d2326", "#0b6a62", "#f2b84b", "#4d565b"
MARGIN, PICTURE = 64, (520, 420)
#: Where systems keep a font with Chinese; the first that exists is taken, in its simplified Chinese form.
CHINESE = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "C:/Windows/Fonts/msyhbd.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
)


def find_chinese() -> tuple[str, int] | None:
    """A font with Chinese characters, as file and number in it, or None: then cards are in English alone."""
    for path in CHINESE:
        if Path(path).exists():
            return path, next((k for k in range(32) if is_simplified(path, k)), 0)
    return None


def is_simplified(path: str, number: int) -> bool:
    """Whether a font of a collection is the one for simplified Chinese."""
    try:
        return " SC" in (ImageFont.truetype(path, 10, index=number).getname()[0] or "")
    except OSError:
        return False


def latin() -> str:
    """The Latin font that Matplotlib brings."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf")


def font(size: int, chinese: tuple[str, int] | None) -> ImageFont.FreeTypeFont:
    """One font for both languages if there is one, else the Latin one."""
    return ImageFont.truetype(chinese[0], size, index=chinese[1]) if chinese else ImageFont.truetype(latin(), size)


def pieces(text: str) -> list[str]:
    """Where a line may break: after a word's space, and after each Chinese character."""
    found: list[str] = []
    for character in text:
        joins = found and not found[-1].endswith(" ") and character.isascii() and found[-1][-1].isascii()
        if joins or (found and character in "，。；：？！、）」 "):
            found[-1] += character
        else:
            found.append(character)
    return found


def lines(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """A text broken into lines of at most so many pixels."""
    made = [""]
    for piece in pieces(text):
        if made[-1] and face.getlength((made[-1] + piece).rstrip()) > width:
            made.append("")
        made[-1] += piece
    return [line.strip() for line in made]


def pictures(path: Path) -> Iterator[bytes]:
    """The pictures a notebook shows, from the first on."""
    if path.suffix != ".ipynb":
        return
    for cell in read(path)["cells"]:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                yield base64.b64decode("".join(png))


def picture_of(path: Path) -> bytes:
    """The first picture of a page that is not a mere strip; the cover for a page without one."""
    for data in pictures(path):
        width, height = Image.open(io.BytesIO(data)).size
        if 0.4 < height / width < 1.4:
            return data
    return COVER.read_bytes()


def draw(title: str, picture: bytes, chinese: tuple[str, int] | None) -> Image.Image:
    """A card: the title at the left, in both languages where the font has them, a picture at the right."""
    card = Image.new("RGB", CARD_SIZE, PAPER)
    pen = ImageDraw.Draw(card)
    width, height = CARD_SIZE
    pen.rectangle((0, 0, 18, height), fill=TEAL)
    with Image.open(io.BytesIO(picture)) as image:
        shown = image.convert("RGBA")
    scale = min(PICTURE[0] / shown.width, PICTURE[1] / shown.height)
    shown = shown.resize((round(shown.width * scale), round(shown.height * scale)), Image.Resampling.LANCZOS)
    left = width - MARGIN - PICTURE[0] + (PICTURE[0] - shown.width) // 2
    card.paste(shown, (left, (height - shown.height) // 2), shown)

    english, translated = halves(title) or (title, "")
    room = width - MARGIN - PICTURE[0] - 48 - MARGIN
    size = next(size for size in range(56, 20, -2) if fits(english, translated if chinese else "", size, room, chinese))
    y = 96
    for text, points, colour in ((english, size, INK), (translated if chinese else "", round(size * 0.86), TEAL)):
        face = font(points, chinese)
        for line in lines(text, face, room) if text else []:
            pen.text((MARGIN, y), line, font=face, fill=colour)
            y += round(points * 1.35)
        y += 18
    mark(pen, MARGIN, height - MARGIN - 56, 56)
    name = "Downhill · 下山" if chinese else "Downhill"
    pen.text((MARGIN + 76, height - MARGIN - 28), name, font=font(30, chinese), fill=GREY, anchor="lm")
    return card


def fits(english: str, translated: str, size: int, room: int, chinese: tuple[str, int] | None) -> bool:
    """Whether a title of that size leaves room for the card's last line, and no word is wider than the column."""
    tall = 0.0
    for text, points in ((english, size), (translated, round(size * 0.86))):
        made = lines(text, face := font(points, chinese), room) if text else []
        if any(face.getlength(line) > room for line in made):
            return False
        tall += len(made) * points * 1.35 + 18
    return tall <= CARD_SIZE[1] - 96 - MARGIN - 56 - 24


def mark(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    """The site's icon (`_static/favicon.svg`), drawn: a walk down into a valley, a ball on it."""
    unit = size / 32
    pen.rounded_rectangle((x, y, x + size, y + size), radius=7 * unit, fill=TEAL)
    curve = bezier((5, 7), (10, 7), (12, 24), (17, 24)) + bezier((17, 24), (20, 24), (21, 19), (23, 19))
    curve += bezier((23, 19), (25, 19), (26, 21), (27, 22))
    for (a, b), radius, colour in [*((point, 1.3, PAPER) for point in curve), ((17, 20.6), 2.9, SUN)]:
        pen.circle((x + a * unit, y + b * unit), radius * unit, fill=colour)  # a brush: a thick line would have gaps


def bezier(*ends: tuple[float, float], steps: int = 200) -> list[tuple[float, float]]:
    """Points of a cubic curve."""
    a, b, c, d = ends
    walk = [k / steps for k in range(steps + 1)]
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in walk]
    return [tuple(sum(w * p[k] for w, p in zip(ws, (a, b, c, d), strict=True)) for k in (0, 1)) for ws in weights]  # type: ignore[misc]


def write(folder: Path, pages: dict[str, tuple[str, Path]]) -> list[Path]:
    """The cards of all pages (name -> title and source), drawn where they are missing or out of date."""
    folder.mkdir(parents=True, exist_ok=True)
    chinese = find_chinese()
    if chinese is None:
        print("NOTE: no font with Chinese was found, so the social cards are in English (Debian: fonts-noto-cjk)")
    made = []
    for name, (title, source) in pages.items():
        path, picture = folder / f"{name}.png", picture_of(source)
        about = repr((title, chinese, CARD_SIZE)).encode()
        key = hashlib.sha256(about + picture + Path(__file__).read_bytes()).hexdigest()
        if mark_of(path) != key:
            save(draw(title, picture, chinese), path, key)
        made.append(path)
    for path in set(folder.glob("*.png")) - set(made):
        path.unlink()
    return made


def mark_of(path: Path) -> str | None:
    """What a card that lies there was drawn from."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get("Comment")


def save(image: Image.Image, path: Path, comment: str) -> None:
    """A small PNG: a card has few colours."""
    about = PngInfo()
    about.add_text("Comment", comment)
    few = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, "PNG", optimize=True, pnginfo=about)


def touch_icon(size: int = 180) -> Image.Image:
    """The site's icon for a telephone's home screen; drawn large and made small, so that its edges are smooth."""
    image = Image.new("RGB", (size * 4, size * 4), TEAL)
    mark(ImageDraw.Draw(image), 0, 0, size * 4)
    return image.resize((size, size), Image.Resampling.LANCZOS)
