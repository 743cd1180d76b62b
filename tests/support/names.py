"""Names of products as shops write them, in NFC: ten scripts, spaces of other kinds, joiners, emoji."""

NAMES = {
    "french": "Café moulu «\u00a0Équateur\u00a0» 1\u202f000\u00a0g",
    "german": "Kaffee\u00adbohnen, geröstet (Größe M)",
    "vietnamese": "Cà phê sữa đá – phở bò",
    "greek": "Ελληνικός καφές 200\u00a0γρ.",
    "russian": "Чай «Ёлочка», №\u00a05",
    "japanese": "ほうじ茶\u3000ティーバッグ\u3000ガラスポット",
    "chinese": "龙井茶\u3000（一级）",
    "korean": "한국 녹차 – 유기농",
    "persian": "چای سیاه می\u200cخواهم ۵۰۰\u00a0گرم",
    "arabic": "\u200fقهوة عربية (AR-7)\u200e",
    "hebrew": "\u2067תה ירוק\u2069 250\u00a0ג׳",
    "hindi": "मसाला चाय क्\u200dष 500\u00a0ग्राम",
    "thai": "ชาไทย\u200bต้นตำรับ",
    "tamil": "தேநீர் பொடி",
    "emoji": "Family mug \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \u2764\ufe0f",
    "flag": "Tea \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
}
