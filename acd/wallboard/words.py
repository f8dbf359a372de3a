"""Every word of the wallboard, in Russian and English. The field's terms as in the house's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LANGUAGES = ("ru", "en")

_WORDS: dict[str, tuple[str, str]] = {
    # --- panels and columns ---
    "subscribers": ("Абоненты", "Subscribers"),
    "agents": ("Операторы", "Agents"),
    "subscriber": ("Абонент", "Subscriber"),
    "agent": ("Оператор", "Agent"),
    "waiting": ("Ждут", "Wait"),
    "longest": ("Дольше", "Oldest"),
    "offered": ("Всего", "Offrd"),
    "answered": ("Отвеч", "Answd"),
    "abandoned": ("Ушли", "Aband"),
    "talking": ("Разг", "Talk"),
    "fallback": ("Резерв", "Fallbk"),
    "service_level": ("В срок/цель", "SL / target"),
    "asa": ("ASA", "ASA"),
    "expected_wait": ("Прогноз", "EWT"),
    "alarm": ("Тревога", "Alarm"),
    "status": ("Статус", "Status"),
    "state": ("Состояние", "State"),
    "since": ("Время", "For"),
    "call": ("Звонок", "Call"),
    "written": ("Письма", "Writes"),
    "handled": ("Принял", "Handld"),
    "sl_formula": (
        "sl_of_offered = отвечено в срок / поступило",
        "sl_of_offered = answered in time / offered",
    ),
    "sums": (
        "всего {} = отвечено {} + ушли {} + резерв, голосовая почта {} + прочее {}",
        "offered {} = answered {} + abandoned {} + fallback, voice mail {} + other {}",
    ),
    # --- tiles ---
    "tile_waiting": ("ЖДУТ", "WAITING"),
    "tile_longest": ("ДОЛЬШЕ ВСЕХ", "LONGEST WAIT"),
    "tile_talking": ("РАЗГОВОРЫ", "TALKING"),
    "tile_ready": ("СВОБОДНЫ", "READY"),
    "tile_level": ("В СРОК", "IN TIME"),
    "tile_abandoned": ("НЕ ДОЖДАЛИСЬ", "ABANDONED"),
    # --- status and state ---
    "logged_out": ("не в смене", "logged out"),
    "available": ("на линии", "available"),
    "back_office": ("бэк-офис", "back office"),
    "called": ("вызван", "called in"),
    "paused": ("пауза", "paused"),
    "idle": ("свободен", "idle"),
    "reserved": ("назначен", "reserved"),
    "ringing": ("звонит", "ringing"),
    "talking_state": ("разговор", "talking"),
    "wrap_up": ("карточка", "wrap-up"),
    "busy_elsewhere": ("свой звонок", "own call"),
    "reason_rna": ("нет ответа", "no answer"),
    # --- alarms ---
    "over_limit": ("ПРЕДЕЛ 40 с", "OVER 40 s"),
    "past_promise": ("ДОЛГО ЖДУТ", "LONG WAIT"),
    "below_target": ("НИЖЕ ЦЕЛИ", "BELOW TARGET"),
    "near_target": ("у цели", "near target"),
    "closed": ("закрыто", "closed"),
    "reserve_open": ("ПОМОГАЕТ РЕЗЕРВ", "RESERVE HELPS"),
    "unreachable": ("НЕТ СВЯЗИ", "PHONE LOST"),
    "paused_rna": ("НЕ ОТВЕЧАЕТ", "NO ANSWER"),
    "wrap_up_over": ("СРОК ВЫШЕЛ", "WRAP-UP OVER"),
    "wrap_up_ending": ("скоро срок", "wrap-up ends"),
    "nobody_ready": ("НЕТ СВОБОДНЫХ ОПЕРАТОРОВ", "NOBODY READY"),
    "nobody_on_duty": ("НИКОГО В СМЕНЕ", "NOBODY ON DUTY"),
    # --- lines ---
    "all_well": ("Всё в порядке", "All is well"),
    "alarms": ("Тревоги", "Alarms"),
    "degraded": ("Работает не всё", "Degraded"),
    "not_synced": (
        "нет сверки с Asterisk, звонки ведёт план набора",
        "not synced with Asterisk, dialplan serves calls",
    ),
    "no_connection": ("НЕТ СВЯЗИ С СЕРВЕРОМ с", "NO CONNECTION SINCE"),
    "last_data": ("данные на", "data of"),
    "connecting": ("Подключение…", "Connecting…"),
    "frozen": ("ПАУЗА ЭКРАНА", "SCREEN PAUSED"),
    "nothing_here": ("нет строк для этого фильтра", "no rows for this filter"),
    "counters": ("Счётчики", "Counters"),
    "callbacks_due": ("Перезвонить", "To call back"),
    "callbacks_held": ("ждут решения", "need a yes"),
    "ms": ("мс", "ms"),
    # --- keys ---
    "key_quit": ("Выход", "Quit"),
    "key_sort": ("Порядок", "Sort"),
    "key_filter": ("Фильтр", "Filter"),
    "key_language": ("English", "Русский"),
    "key_pause": ("Пауза", "Pause"),
    "sort_urgency": ("тревоги", "alarms"),
    "sort_name": ("имя", "name"),
    "sort_load": ("нагрузка", "load"),
    "filter_all": ("все", "all"),
    "filter_alarms": ("тревоги", "alarms"),
    "filter_active": ("активные", "active"),
}

TROUBLES: Mapping[str, str] = MappingProxyType(
    {
        "asterisk": "нет связи с Asterisk, звонки ведёт план набора",
        "twin": "к этому Asterisk подключён второй сервер",
        "mqtt": "брокер недоступен, карточки не всплывают",
        "door": "Asterisk не может спросить сервер, звонки у входа",
        "disk": "на диске с карточками мало места",
        "clock": "часы машины переведены",
        "store": "база не принимает записи, карточки ждут",
        "journal": "журнал Asterisk не читается",
        "callbacks": "перезвоны не идут",
        "spool": "номера, оставленные без сервера, не забраны",
        "recording": "разговоры не записываются",
        "webhook": "внешняя система не принимает карточки",
        "side": "побочная работа прервалась и начата снова",
        "desk_email": "почта не уходит",
        "desk_sms": "SMS не уходят",
        "desk_webhook": "сообщения во внешнюю систему не уходят",
        "desk_call": "сообщения по телефону не передаются",
        "desk_helpdesk": "служба заявок не отвечает",
        "desk_directory": "справочник абонента не отвечает",
        "desk_undelivered": "сообщения не дошли ни до кого",
        "desk_late": "сроки вот-вот будут нарушены",
        "desk_projects": "ошибки в файлах проектов",
        "desk_inbox": "входящая почта не читается",
        "desk_templates": "сообщения уходят в простом виде",
    }
)
"""Headlines of what works less well, by the name the daemon gives it; its own words are English."""

_TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {language: {key: pair[index] for key, pair in _WORDS.items()} for index, language in enumerate(LANGUAGES)}
)


def trouble(line: str, language: str) -> str:
    """Return a line `name: words` of the daemon for people; in Russian with a headline before the words."""
    name, _, words = line.partition(": ")
    if language != "ru" or name not in TROUBLES:
        return line
    return f"{name}: {TROUBLES[name]} ({words})"


def word(key: str, language: str) -> str:
    """Return a word; a key without translation (a pause reason of the centre's own) is shown as it is."""
    return _TABLES.get(language, _TABLES["en"]).get(key, key)
