"""What vendors report about sessions and experiments beyond their figures, at each vendor."""

from __future__ import annotations

from typing import Any

from tests.conftest import OpenGateway
from tests.gateway import MEIBEL, Gateway, Vendors
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_job, meibel_session
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


# -- models and providers ------------------------------------------------------------------------------------


async def test_models_and_providers_of_a_langsmith_run_are_those_of_its_metadata(
    vendors: Vendors, gateway: Gateway
) -> None:
    metadata = {"models": ["gpt-4.1", "gpt-4.1-mini"], "ls_provider": "openai"}
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", extra={"metadata": metadata})])
    assert await session(gateway, "models providers") == {
        "models": ["gpt-4.1", "gpt-4.1-mini"],
        "providers": ["openai"],
    }


async def test_models_and_providers_are_null_where_the_list_does_not_say(
    vendors: Vendors, gateway: Gateway
) -> None:
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s")])
    assert await session(gateway, "models providers") == {"models": None, "providers": None}


# -- costs and tokens ----------------------------------------------------------------------------------------


async def test_a_langsmith_run_has_the_cost_of_input_and_output(vendors: Vendors, gateway: Gateway) -> None:
    run = langsmith_run("r", prompt_cost="0.0008", completion_cost=0.0002, total_cost="0.001")
    vendors.langsmith.world.add(langsmith_session("p"), [run])
    assert await session(gateway, "costUsd inputCostUsd outputCostUsd") == {
        "costUsd": 0.001,
        "inputCostUsd": 0.0008,
        "outputCostUsd": 0.0002,
    }


async def test_a_langsmith_run_has_cache_writes_and_reasoning_tokens(vendors: Vendors, gateway: Gateway) -> None:
    run = langsmith_run(
        "r",
        prompt_token_details={"cache_read": 40, "cache_creation": 7},
        completion_token_details={"reasoning": 5},
    )
    vendors.langsmith.world.add(langsmith_session("p"), [run])
    found = await session(gateway, "tokens { input output cached cacheWrite reasoning total }")
    assert found["tokens"] == {
        "input": 100,
        "output": 20,
        "cached": 40,
        "cacheWrite": 7,
        "reasoning": 5,
        "total": 120,
    }


# -- scores --------------------------------------------------------------------------------------------------

SCORES = "scores { evaluator value label explanation failed }"


def score(evaluator: str, value: float | None = None, **fields: Any) -> dict[str, Any]:
    """Return a score as the schema has it."""
    absent = {"label": None, "explanation": None, "failed": False}
    return {"evaluator": evaluator, "value": value} | absent | fields


async def test_langsmiths_feedback_has_numbers_labels_comments_and_failures(
    vendors: Vendors, gateway: Gateway
) -> None:
    feedback = {
        "acc": {"n": 1, "avg": 0.4, "comments": ["too short"], "values": {}},
        "tone": {"n": 1, "avg": None, "values": {"curt": 1}},
        "broken": {"n": 0, "avg": None, "errors": 1, "values": {}},
    }
    vendors.langsmith.world.add(langsmith_session("p"), [langsmith_run("r", feedback_stats=feedback)])
    assert (await session(gateway, SCORES))["scores"] == [
        score("acc", 0.4, explanation="too short"),
        score("broken", failed=True),
        score("tone", label="curt"),
    ]


async def test_meibels_scoring_jobs_have_explanations_and_failures(vendors: Vendors, gateway: Gateway) -> None:
    world = vendors.meibel.world
    world.add(meibel_agent("a"), [meibel_session("s", agent_name="a")])
    world.jobs += [
        meibel_job("s", "correctness", 8, agent_name="a", explanation="the sum is right"),
        meibel_job("s", "coherence", None, agent_name="a", status="failed"),
    ]
    assert (await session(gateway, SCORES))["scores"] == [
        score("coherence", failed=True),
        score("correctness", 8, explanation="the sum is right"),
    ]


async def test_a_score_that_orders_a_list_keeps_its_words(vendors: Vendors, gateway: Gateway) -> None:
    world = vendors.meibel.world
    world.add(meibel_agent("a"), [meibel_session("s", agent_name="a")])
    world.jobs.append(meibel_job("s", "correctness", 8, agent_name="a", explanation="the sum is right"))
    query = f"""{{ experiments {{ nodes {{
      sessions(orderBy: {{field: SCORE, evaluator: "correctness"}}) {{ nodes {{ {SCORES} }} }}
    }} }} }}"""
    (experiment,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    (found,) = experiment["sessions"]["nodes"]
    assert found["scores"] == [score("correctness", 8, explanation="the sum is right")]


# -- experiments ---------------------------------------------------------------------------------------------


async def test_an_experiment_says_its_progress_and_status(vendors: Vendors, gateway: Gateway) -> None:
    vendors.langsmith.world.add(langsmith_session("p", experiment_progress={"run_progress": 0.25}))
    query = "{ experiments { nodes { progress vendorStatus } } }"
    (found,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert found == {"progress": 0.25, "vendorStatus": None}


async def test_an_experiment_links_its_page_and_the_source_of_its_code(vendors: Vendors, gateway: Gateway) -> None:
    vendors.nemo.world.add(nemo_experiment("e", source_link="https://git.example.com/commit/1"))
    query = "{ experiments { nodes { url sourceUrl } } }"
    (found,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    page = "/studio/workspaces/default/experiment/experiment-group-default/e"
    assert found == {"url": f"{vendors.nemo.url}{page}", "sourceUrl": "https://git.example.com/commit/1"}


async def test_a_langsmith_experiment_links_the_commit_that_its_metadata_names(
    vendors: Vendors, gateway: Gateway
) -> None:
    git = {"remote_url": "git@github.com:acme/bot.git", "commit": "c0ffee1"}
    vendors.langsmith.world.add(langsmith_session("p", extra={"metadata": {"git": git}}))
    (found,) = (await gateway.ask("{ experiments { nodes { sourceUrl } } }")).data["experiments"]["nodes"]
    assert found == {"sourceUrl": "https://github.com/acme/bot/commit/c0ffee1"}


async def test_meibels_pages_follow_templates_of_the_configuration(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    vendors.meibel.world.add(meibel_agent("a b"), [meibel_session("s?1")])
    pages = {
        "web_url": "https://app.example.com/agents/{experiment_id}/chats/{session_id}",
        "experiment_web_url": "https://app.example.com/agents/{experiment_id}",
    }
    gateway = await open_gateway(sources={MEIBEL: vendors.sources()[MEIBEL] | pages})
    query = "{ experiments { nodes { id url sessions { nodes { id url } } } } }"
    (agent,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    (chat,) = agent["sessions"]["nodes"]
    assert agent["url"] == "https://app.example.com/agents/a%20b"
    assert chat["url"] == "https://app.example.com/agents/a%20b/chats/s%3F1"
    looked_up = "query($a: ID!, $s: ID!) { experiment(id: $a) { url } session(id: $s) { url } }"
    found = (await gateway.ask(looked_up, a=agent["id"], s=chat["id"])).data
    assert found == {"experiment": {"url": agent["url"]}, "session": {"url": chat["url"]}}


async def test_meibel_has_no_pages_without_templates(vendors: Vendors, gateway: Gateway) -> None:
    vendors.meibel.world.add(meibel_agent("a"), [meibel_session("s")])
    assert await session(gateway, "url") == {"url": None}
