"""What vendors report about sessions and experiments beyond their figures, at each vendor."""

from __future__ import annotations

from typing import Any

from tests.gateway import Gateway, Vendors
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session


async def session(gateway: Gateway, fields: str) -> Any:
    """Return fields of the only session."""
    query = f"{{ experiments {{ nodes {{ sessions {{ nodes {{ {fields} }} }} }} }} }}"
    (experiment,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    (found,) = experiment["sessions"]["nodes"]
    return found


# -- conversations -----------------------------------------------------------------------------------------


async def test_the_conversation_of_a_langsmith_run_is_its_thread(vendors: Vendors, gateway: Gateway) -> None:
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", thread_id="thread-7")])
    assert await session(gateway, "conversationId") == {"conversationId": "thread-7"}


async def test_the_conversation_of_a_nemo_session_is_its_session(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("e"), [nemo_session("chat-1")])
    assert await session(gateway, "conversationId") == {"conversationId": "chat-1"}


async def test_a_meibel_session_is_a_conversation_and_belongs_to_no_other(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s")])
    assert await session(gateway, "conversationId") == {"conversationId": None}
