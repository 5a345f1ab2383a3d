"""esa.io's generic webhook, as a provider."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from hookline.events import AnyEvent, Event, UnknownEvent, snake_case
from hookline.providers import DedupeKey, Delivery, Provider, Verifier
from hookline.providers.esa.events import EVENTS, EsaEvent
from hookline.providers.esa.verify import SIGNATURE_HEADER, make_verifier
from hookline.providers.payload import read_event, read_object, read_type

# Whether esa repeats a delivery at all isn't known. A body has no time and no id in it, so archiving,
# restoring and archiving a post again makes two equal ones: a minute takes in a proxy's or an impatient
# sender's repeat, and hardly ever that.
_WINDOW_WITHOUT_DELIVERY_ID_SECONDS = 60
_EVENT_OF_KIND: dict[str, type[EsaEvent]] = {event.kind: event for event in EVENTS}


class EsaProvider:
    """The webhooks of the type that esa calls Generic."""

    name: str = "esa"
    # The signature too: with body and signature at hand a weak secret can be guessed.
    secret_headers: frozenset[str] = frozenset({SIGNATURE_HEADER})
    events: Sequence[type[Event]] = EVENTS
    # esa says nothing of retries, and nobody has seen any.
    gives_up_after_seconds: float | None = None

    def verifier(self, secrets: Sequence[bytes], hook_ids: Sequence[str] = ()) -> Verifier:
        """A verifier that accepts a signature made with any of these secrets; esa has no `hook_ids`."""
        return make_verifier(secrets, hook_ids)

    def dedupe_key(self, delivery: Delivery) -> DedupeKey:
        """The hash of the body and of X-Esa-Delivery, whose form isn't documented; without that, of the body.

        The id isn't signed. On its own, whoever has captured one delivery could send it again under the id
        of another that is still to come, which would then be taken for a repeat.
        """
        body = sha256(delivery.body)
        delivery_id = (delivery.header(b"x-esa-delivery") or b"").strip()
        if delivery_id:
            return DedupeKey(f"delivery-{sha256(body.digest() + delivery_id).hexdigest()}")
        return DedupeKey(f"body-{body.hexdigest()}", _WINDOW_WITHOUT_DELIVERY_ID_SECONDS)

    def parse(self, delivery: Delivery) -> AnyEvent:
        """The typed event, or an UnknownEvent; ParseError says what is wrong with the payload."""
        payload = read_object(delivery.body)
        sent_kind = read_type(payload, "kind")
        model = _EVENT_OF_KIND.get(sent_kind)
        if model is None:
            return UnknownEvent(type=f"{self.name}.{snake_case(sent_kind)}", data=payload)
        return read_event(model, {key: value for key, value in payload.items() if key != "kind"})


PROVIDER: Provider = EsaProvider()
