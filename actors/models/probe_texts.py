"""Ordinary text to try a model with, in its own language: sentences to speak, words to make a text of any length.

Not known here: what is measured with them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SENTENCES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Good morning.",
        "The lamp in the hall is still lit.",
        "Nine boats left before the fog came in, and eight came back.",
        "Is there any bread?",
        "Take the second path after the bridge, then keep the river on your left.",
        "Yes.",
        "She counted the stairs twice.",
        "Rain again!",
        "The letter had been under the door since noon.",
        "We will meet where the two roads cross.",
    ),
    "zh": (
        "早上好。",
        "大厅里的灯还亮着。",
        "起雾之前有九条船出海，八条回来了。",
        "还有面包吗？",
        "过桥以后走第二条路，然后沿着河一直走。",
        "是的。",
        "她把楼梯数了两遍。",
        "又下雨了！",
        "那封信中午就在门下面了。",
        "我们在两条路相交的地方见面。",
    ),
    "ja": (
        "おはようございます。",
        "玄関の明かりはまだついています。",
        "霧が出る前に九そうの舟が出て、八そうが戻りました。",
        "パンはありますか。",
        "橋を渡ったら二番目の道を進み、川を左に見て歩いてください。",
        "はい。",
        "彼女は階段を二度数えました。",
        "また雨だ。",
        "手紙は昼からドアの下にありました。",
        "二つの道が出会うところで会いましょう。",
    ),
    "es": (
        "Buenos días.",
        "La lámpara del pasillo sigue encendida.",
        "Nueve barcos salieron antes de la niebla y volvieron ocho.",
        "¿Queda algo de pan?",
        "Tome el segundo camino después del puente y siga el río a su izquierda.",
        "Sí.",
        "Contó los escalones dos veces.",
        "¡Otra vez lluvia!",
        "La carta estaba debajo de la puerta desde el mediodía.",
        "Nos vemos donde se cruzan los dos caminos.",
    ),
    "fr": (
        "Bonjour.",
        "La lampe de l'entrée est encore allumée.",
        "Neuf bateaux sont partis avant la brume, et huit sont revenus.",
        "Reste-t-il du pain ?",
        "Prenez le deuxième chemin après le pont, puis gardez la rivière à votre gauche.",
        "Oui.",
        "Elle a compté les marches deux fois.",
        "Encore la pluie !",
        "La lettre était sous la porte depuis midi.",
        "Nous nous verrons là où les deux routes se croisent.",
    ),
    "de": (
        "Guten Morgen.",
        "Die Lampe im Flur brennt noch.",
        "Neun Boote fuhren vor dem Nebel hinaus, und acht kamen zurück.",
        "Ist noch Brot da?",
        "Nehmen Sie den zweiten Weg nach der Brücke, und lassen Sie den Fluss zu Ihrer Linken.",
        "Ja.",
        "Sie zählte die Stufen zweimal.",
        "Schon wieder Regen!",
        "Der Brief lag seit Mittag unter der Tür.",
        "Wir treffen uns, wo die zwei Straßen sich kreuzen.",
    ),
    "it": (
        "Buongiorno.",
        "La lampada nell'ingresso è ancora accesa.",
        "Nove barche sono uscite prima della nebbia e otto sono tornate.",
        "C'è ancora del pane?",
        "Prenda la seconda strada dopo il ponte e tenga il fiume alla sua sinistra.",
        "Sì.",
        "Ha contato i gradini due volte.",
        "Ancora pioggia!",
        "La lettera era sotto la porta da mezzogiorno.",
        "Ci vediamo dove le due strade si incrociano.",
    ),
    "pt": (
        "Bom dia.",
        "A lâmpada do corredor ainda está acesa.",
        "Nove barcos saíram antes da neblina, e oito voltaram.",
        "Ainda tem pão?",
        "Siga o segundo caminho depois da ponte e mantenha o rio à sua esquerda.",
        "Sim.",
        "Ela contou os degraus duas vezes.",
        "Chuva de novo!",
        "A carta estava debaixo da porta desde o meio-dia.",
        "Vamos nos encontrar onde as duas estradas se cruzam.",
    ),
    "hi": (
        "सुप्रभात।",
        "गलियारे का दीपक अब भी जल रहा है।",
        "कोहरे से पहले नौ नावें निकलीं, और आठ लौट आईं।",
        "क्या कुछ रोटी बची है?",
        "पुल के बाद दूसरा रास्ता लें, फिर नदी को अपनी बाईं ओर रखें।",
        "हाँ।",
        "उसने सीढ़ियाँ दो बार गिनीं।",
        "फिर बारिश!",
        "चिट्ठी दोपहर से दरवाज़े के नीचे थी।",
        "हम वहाँ मिलेंगे जहाँ दो रास्ते मिलते हैं।",
    ),
}
"""Ten of each language: short and long ones, a question, an exclamation."""

UNSPACED = ("zh", "ja")
"""Languages that put no spaces between words."""

_ENGLISH_PROSE = """
every morning the old ferry carries bread letters and two or three sleepy travellers across the bay while gulls argue
over the harbour wall and somebody on the quay counts the boxes once more before the bell rings twice then the engine
coughs the ropes come loose and the town grows small behind a line of white water
"""


@dataclass(frozen=True, slots=True)
class ProbeTexts:
    """Texts of one language.

    Attributes:
        sentences: Ten, with their marks
        words: Without marks; in running text their order makes sense
        space: What stands between two words
    """

    language: str
    sentences: tuple[str, ...]
    words: tuple[str, ...]
    space: str


def probe_texts(languages: Sequence[str]) -> ProbeTexts:
    """Texts of the first of these languages that there are texts of ("pt-BR" is "pt"); else of English."""
    known = (tag.split("-")[0].lower() for tag in languages)
    language = next((tag for tag in known if tag in SENTENCES), "en")
    sentences = SENTENCES[language]
    space = "" if language in UNSPACED else " "
    if language == "en":
        return ProbeTexts(language, sentences, tuple(_ENGLISH_PROSE.split()), space)
    pieces = sentences if space else [char for sentence in sentences for char in sentence]
    words = [_plain(word) for piece in pieces for word in piece.split()]
    return ProbeTexts(language, sentences, tuple(filter(None, words)), space)


def _plain(word: str) -> str:
    """A word without the marks around it."""
    return word.strip(".,;:!?¡¿。，、！？।")
