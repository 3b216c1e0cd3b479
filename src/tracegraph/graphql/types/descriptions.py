"""Descriptions of fields, input fields, enum values and arguments whose declaration has none.

A declaration has a description of its own where its text belongs to its code. The other texts stand here: enum
values lie in the domain, and equal arguments occur in many resolvers. Each text says the unit, what null means,
the default and the order, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphql import GraphQLArgument, GraphQLEnumValue, GraphQLField, GraphQLInputField, GraphQLSchema

VOCABULARY = "\n\n".join(
    (
        "Queries over every source. A Source is one configured backend of a vendor.",
        (
            "An Experiment is the unit of comparison: an evaluation over a dataset, a live project, or an "
            "agent. LangSmith calls it a tracer session, in its web pages a project or an experiment. NeMo "
            "calls it an evaluation, before 0.3 an experiment. MLflow calls it a run of an evaluation."
        ),
        (
            "A Session is one execution within an experiment: a trace with its root span, or one chat. "
            "LangSmith calls it a root run or a trace. Langfuse, Phoenix and MLflow call it a trace. In "
            "OpenInference, Langfuse, Phoenix and MLflow, a session is a conversation of several such "
            "executions. LangSmith calls that a thread."
        ),
        (
            "An Aggregate has the statistics of one metric over the sessions of one experiment. Its basis "
            "is the origin of the figures, and its population is what they cover."
        ),
        (
            "The unit is in the name of a field, such as latencyMs or costUsd. Ratios are 0 to 1, and "
            "times are UTC. Null means that the vendor does not say, and 0 means zero."
        ),
        (
            "A field is also null where an error stands at its path. The other fields are unaffected. In a "
            "list over many sources, a failed source is no error: `sources` has the report of each source, "
            "and `isComplete` is false."
        ),
    )
)
"""The description of `Query`."""

_STATISTICS = {
    "count": "The number of values. Null when the basis does not have it.",
    "sum": "The sum, in the metric's unit. Null when the basis does not have it.",
    "mean": "The arithmetic mean, in the metric's unit. Null when the basis does not have it.",
    "stddev": "The standard deviation, in the metric's unit; of the sample when COMPUTED. Null when the basis "
    "does not have it.",
    "min": "The smallest value, in the metric's unit. Null when the basis does not have it.",
    "p25": "The 25th percentile, in the metric's unit. Null when the basis does not have it.",
    "median": "The 50th percentile, in the metric's unit. Null when the basis does not have it.",
    "p75": "The 75th percentile, in the metric's unit. Null when the basis does not have it.",
    "p90": "The 90th percentile, in the metric's unit. Null when the basis does not have it.",
    "p95": "The 95th percentile, in the metric's unit. Null when the basis does not have it.",
    "p99": "The 99th percentile, in the metric's unit. Null when the basis does not have it.",
    "max": "The largest value, in the metric's unit. Null when the basis does not have it.",
}

_FIELDS: Mapping[str, Mapping[str, str]] = {
    "Aggregate": {"metric": "The metric of the figures.", **_STATISTICS},
    "CaseComparison": {
        "id": "The global ID. It contains the IDs of the compared experiments, so it may be long.",
    },
    "CaseCounts": {
        "improved": "Cases with outcome IMPROVED.",
        "regressed": "Cases with outcome REGRESSED.",
        "equal": "Cases with outcome EQUAL.",
        "missing": "Cases with outcome MISSING.",
    },
    "CaseOrder": {
        "field": "The value to order by.",
        "direction": "Ascending or descending. The default is DESC: the largest value or key, or the worst delta "
        "first.",
    },
    "CaseEntry": {"experiment": "The experiment that ran the case."},
    "Comparison": {
        "baseline": "The experiment with which the others are compared.",
        "experiments": "The compared experiments, in the order of experimentIds.",
    },
    "Experiment": {
        "id": "The global ID.",
        "source": "The source that holds the experiment.",
        "vendorId": "The vendor's own id.",
        "kind": "Whether this is an evaluation, a project or an agent.",
        "name": "The name at the vendor. It need not be unique.",
        "description": "The description at the vendor; null without one.",
        "agentName": "The name of the agent that ran, the first of several; null when the vendor names none.",
        "agentVersion": "The version of the agent, the first of several; null when the vendor names none.",
        "datasetId": "The vendor's id of the dataset; null without a dataset.",
        "datasetName": "The name of the dataset; null without a dataset, and when the vendor has no name.",
        "datasetVersion": "The version of the dataset; null when the vendor names none.",
        "models": "The names of the models that ran, in the vendor's order; empty when the vendor names none. "
        "Null with an error when they could not be read.",
        "evaluators": "The names of the evaluators that gave scores, in the vendor's order; empty when the vendor "
        "names none. Null with an error when they could not be read.",
        "createdAt": "The time of creation. Null when the vendor does not say.",
        "endedAt": "The end of the run. Null while it runs, and when the vendor does not say.",
        "sessionCount": "The number of sessions by the vendor's own count. Null when the vendor does not say.",
        "progress": "The part of the evaluation that is done, from 0 to 1. Null when the vendor does not say.",
        "vendorStatus": "The vendor's own word for the state; null without one.",
        "url": "An http or https link to its page in the vendor's user interface; null when it is not known.",
        "sourceUrl": "An http or https link to the code that ran, such as a commit's page; null without one.",
        "metadata": "The user's own data as the vendor has it; null without any.",
        "sessions": "The sessions of this experiment. Null with an error when the source failed before any row.",
    },
    "ExperimentConnection": {
        "sources": "The report of each source of the list, in the order of the configuration."
    },
    "ExperimentOrder": {
        "field": "The value to order by.",
        "direction": "Ascending or descending. The default is DESC: the newest or largest first.",
    },
    "Metric": {
        "kind": "The measured quantity.",
        "evaluator": "The name of the evaluator whose score this is. Null for kinds other than SCORE.",
        "name": "The name as the command line takes it, such as `latency` or `score:accuracy`.",
        "unit": "The unit of every statistic but count.",
        "betterWhen": "HIGHER for scores, LOWER for every other kind.",
    },
    "MetricComparison": {
        "metric": "The compared metric.",
        "statistic": "The compared statistic.",
    },
    "MetricEntry": {"experiment": "The experiment of the figure."},
    "MetricInput": {
        "kind": "The measured quantity.",
        "evaluator": "The exact name of an evaluator. Required for kind SCORE and not allowed for other kinds.",
    },
    "Query": {
        "nodes": "The objects with these IDs, in the order of ids. An unknown ID is null. A malformed ID, or one "
        "whose source failed, is null with an error at its place.",
        "sources": "The configured sources that the caller may see, in the order of the configuration.",
        "experiment": "The experiment with that ID; null when it does not exist.",
        "session": "The session with that ID; null when it does not exist.",
    },
    "Score": {
        "evaluator": "The name of the evaluator.",
        "value": "The score on the evaluator's own scale. Null for a verdict without a number, and when the "
        "evaluator failed.",
        "label": "The verdict as a word. Null without one.",
        "explanation": "Why the evaluator judged so, or why it failed. Null without one. In lists, null where the "
        "vendor takes a call for it: look up the session by its ID.",
        "failed": "Whether the evaluator could not judge.",
    },
    "Session": {
        "id": "The global ID.",
        "source": "The source that holds the session.",
        "experiment": "The experiment of the session; null when it no longer exists.",
        "vendorId": "The vendor's own id.",
        "status": "The outcome, or RUNNING.",
        "name": "The name at the vendor; null without one.",
        "startedAt": "The start.",
        "endedAt": "The end. Null while the session runs, and when the vendor does not say.",
        "latencyMs": "The duration in milliseconds. Null while the session runs, and when the vendor has none.",
        "firstTokenMs": "The time from the start to the first token of the output, in milliseconds. Null when the "
        "vendor does not say.",
        "traceId": "The id of the trace; null when the vendor has none.",
        "rootSpanId": "The id of the root span; null when the vendor has none.",
        "testCaseId": "The test case that was run; null without one.",
        "conversationId": "The id that the sessions of one conversation share: a LangSmith thread, or a NeMo "
        "session, which may have several traces. Other vendors call such a conversation a session. Null when the "
        "vendor has none.",
        "agentName": "The name of the agent that ran; null when the vendor names none.",
        "agentVersion": "The version of the agent that ran; null when the vendor names none.",
        "models": "The names of the models that ran, in the vendor's order. Null when the vendor does not say; "
        "spans are never read for it.",
        "providers": "The providers of these models, in the vendor's order. Null when the vendor does not say.",
        "input": "The input as text: JSON for an object, unless a text is all that it holds. Null without one.",
        "output": "The output as text: JSON for an object, unless a text is all that it holds. Null without one.",
        "error": "The text of the error; null without an error, and when the vendor does not say.",
        "tokens": "The tokens of all calls of models; null when the vendor does not say.",
        "costUsd": "The cost in US dollars. Null when the vendor does not say; 0 means that it cost nothing.",
        "inputCostUsd": "The cost of the input in US dollars; a part of costUsd. Null when the vendor does not "
        "say.",
        "outputCostUsd": "The cost of the output in US dollars; a part of costUsd. Null when the vendor does not "
        "say.",
        "messageCount": "The number of messages of a chat. Null when the vendor does not say.",
        "scores": "The scores, ordered by evaluator; empty without any. Null with an error when they could not be "
        "read.",
        "url": "An http or https link to its page in the vendor's user interface; null when it is not known.",
        "metadata": "The user's own data as the vendor has it; null without any.",
    },
    "SessionConnection": {"sources": "The report of each source of the list, in the order of the configuration."},
    "SessionOrder": {
        "field": "The value to order by.",
        "direction": "Ascending or descending. The default is DESC: the newest or largest first.",
    },
    "Source": {
        "id": "The global ID.",
        "vendor": "The name of the vendor's adapter, such as `nemo`.",
        "capabilities": "What the vendor does itself.",
        "health": "The result of one cheap call to the vendor, made for this request.",
        "experiments": "The experiments of this source. Null with an error when the source failed before any row.",
    },
    "SourceCapabilities": {
        "experimentOrders": "The order fields of experiments that the vendor sorts by, in at least one direction.",
        "sessionOrders": "The order fields of sessions that the vendor sorts by, in at least one direction.",
        "reportedMetrics": "The metrics that the vendor may report for an experiment, in the order of MetricKind.",
    },
    "SourceError": {
        "code": "The reason, for programs.",
        "httpStatus": "The HTTP status of the vendor's reply; null without a reply.",
    },
    "SourceHealth": {
        "status": "Whether the source replies.",
        "circuit": "The most severe state of the source's circuit breakers.",
        "lastError": "The reason when the status is not UP; null without one.",
        "checkedAt": "The time of the check; null when the source was not called.",
    },
    "SourceReport": {
        "source": "The source that the report is about.",
        "status": "Whether the source's part of this page is complete, stale, missing or limited.",
        "durationMs": "The time that reading this page from the source took, in milliseconds.",
    },
    "Span": {
        "id": "The global ID.",
        "vendorId": "The vendor's own id, unique within the session.",
        "kind": "The kind of the step.",
        "vendorKind": "The vendor's own word for the kind; null without one.",
        "name": "The name at the vendor; null without one.",
        "status": "The outcome, or RUNNING.",
        "vendorStatus": "The vendor's own status; null without one.",
        "startedAt": "The start. Null when the vendor does not say.",
        "endedAt": "The end. Null while the span runs, and when the vendor does not say.",
        "latencyMs": "The duration in milliseconds. Null while the span runs, and when the vendor has none.",
        "firstTokenMs": "The time from the start to the first token of the output, in milliseconds. Null when the "
        "vendor does not say.",
        "model": "The model that was called; null without one, and when the vendor does not say.",
        "provider": "The provider of the model; null without one, and when the vendor does not say.",
        "toolName": "The tool that was called; null without one, and when the vendor does not say.",
        "agentName": "The agent that ran; null when the vendor names none.",
        "input": "The input as text: JSON for an object, unless a text is all that it holds. Null without one.",
        "output": "The output as text: JSON for an object, unless a text is all that it holds. Null without one.",
        "error": "The text of the error; null without an error, and when the vendor does not say.",
        "tokens": "The tokens of this step by the vendor's count, which may include the steps within. Null when "
        "the vendor does not say.",
        "costUsd": "The cost in US dollars by the vendor's count, which may include the steps within. Null when "
        "the vendor does not say; 0 means that it cost nothing.",
        "scores": "The scores of this step, ordered by evaluator; empty without any. Null with an error when they "
        "could not be read.",
        "metadata": "The user's own data as the vendor has it; null without any.",
    },
    "TokenUsage": {
        "input": "Tokens that were sent to models. Null when the vendor does not say.",
        "output": "Tokens that models returned. Null when the vendor does not say.",
        "cached": "Tokens that were read from a model's prompt cache; a part of input. Null when the vendor does "
        "not say.",
        "cacheWrite": "Tokens that were written to a model's prompt cache; a part of input. Null when the vendor "
        "does not say.",
        "reasoning": "Tokens that were spent on reasoning; a part of output. Null when the vendor does not say.",
        "total": "All tokens by the vendor's count, else input plus output. Null when the vendor does not say.",
    },
}

_VALUES: Mapping[str, Mapping[str, str]] = {
    "AggregateBasis": {
        "REPORTED": "The vendor's own figures. A metric that the vendor does not report is left out.",
        "COMPUTED": "Figures of all sessions of the experiment that have the value, computed by the gateway.",
        "BEST": "REPORTED where the vendor reports the metric, else COMPUTED. Occurs in arguments only.",
    },
    "AggregatePopulation": {
        "SESSIONS": "Each session counts once.",
        "TEST_CASES": "Each test case counts once, with the mean of its repetitions.",
        "RUNS": "Each run that the vendor recorded counts once; a session may have several.",
        "EVALUATIONS": "Each verdict of an evaluator counts once.",
    },
    "Better": {
        "LOWER": "A lower value is an improvement, as for latency.",
        "HIGHER": "A higher value is an improvement, as for a score.",
    },
    "CaseKey": {
        "TEST_CASE_ID": "The vendor's id of the test case.",
        "INPUT": "The complete input of the session.",
    },
    "CaseOrderField": {
        "KEY": "The key, by the code points of its first hundred characters.",
        "DELTA": "The value minus the baseline's, by the metric's betterWhen. DESC has the worst case first: the "
        "largest regressions. These are the largest deltas where betterWhen is LOWER, and the most negative ones "
        "where it is HIGHER. ASC has the largest improvements first.",
        "VALUE": "The value: the mean over the repetitions. DESC has the largest value first, for every metric.",
    },
    "CaseOutcome": {
        "IMPROVED": "The value is better than the baseline's.",
        "REGRESSED": "The value is worse than the baseline's.",
        "EQUAL": "The values are the same within one part in 10^9, or both ran the case and neither has a value.",
        "MISSING": "Only one of the two ran the case or has a value.",
    },
    "CircuitState": {
        "CLOSED": "Calls are sent.",
        "HALF_OPEN": "A few calls are sent to find out whether the vendor has recovered.",
        "OPEN": "No call is sent, because too many of its kind failed recently.",
    },
    "ExperimentFacetField": {
        "SOURCE": "The name of the source.",
        "VENDOR": "The name of the vendor's adapter.",
        "KIND": "The kind of the experiment.",
        "DATASET_NAME": "The name of the dataset.",
        "AGENT_NAME": "The name of each agent.",
        "MODEL": "The name of each model.",
        "EVALUATOR": "The name of each evaluator.",
    },
    "ExperimentKind": {
        "EVALUATION": "A run over the cases of a dataset.",
        "PROJECT": "A live project that collects traces.",
        "AGENT": "An agent with its chats.",
    },
    "ExperimentOrderField": {
        "CREATED_AT": "The time of creation.",
        "UPDATED_AT": "The time of the vendor's last change, or of its last activity.",
        "NAME": "The name, by code point after Unicode case folding.",
        "SESSION_COUNT": "The number of sessions by the vendor's own count.",
        "METRIC": "A statistic that the vendor reports: see `metric` and `statistic`.",
    },
    "MetricKind": {
        "LATENCY": "The duration of a session, in milliseconds. Running sessions have none.",
        "FIRST_TOKEN_LATENCY": "The time from the start to the first token of the output, in milliseconds.",
        "COST": "The cost in US dollars.",
        "INPUT_TOKENS": "Tokens that were sent to models.",
        "OUTPUT_TOKENS": "Tokens that models returned.",
        "CACHED_TOKENS": "Tokens that were read from a model's prompt cache; a part of the input tokens.",
        "TOTAL_TOKENS": "All tokens: the vendor's total, else input plus output.",
        "ERROR_RATE": "The ratio of sessions with status ERROR among those that ended, from 0 to 1.",
        "SCORE": "The score of one evaluator, on that evaluator's own scale.",
    },
    "MetricUnit": {
        "MILLISECONDS": "Milliseconds.",
        "USD": "US dollars.",
        "TOKENS": "A number of tokens.",
        "RATIO": "A ratio from 0 to 1.",
        "SCORE": "The evaluator's own scale.",
    },
    "OrderDirection": {
        "ASC": "The oldest or smallest value first; missing values last.",
        "DESC": "The newest or largest value first; missing values last.",
    },
    "SessionDimension": {
        "STATUS": "The status, as SessionStatus names it.",
        "NAME": "The name.",
        "AGENT_NAME": "The agent's name.",
        "AGENT_VERSION": "The agent's version.",
        "MODEL": "The models that the vendor's list names, in alphabetical order and joined by commas.",
        "CONVERSATION": "The conversation's id.",
    },
    "SessionOrderField": {
        "STARTED_AT": "The start of the session.",
        "LATENCY": "The duration. Running sessions come last.",
        "COST": "The cost in US dollars.",
        "TOTAL_TOKENS": "All tokens: the vendor's total, else input plus output.",
        "SCORE": "The score of one evaluator: see `evaluator`.",
    },
    "SessionStatus": {
        "RUNNING": "The session has not ended.",
        "SUCCESS": "The session ended without an error.",
        "ERROR": "The session ended with an error.",
        "CANCELLED": "The session was ended from outside.",
        "UNKNOWN": "The vendor says another word: see vendorStatus.",
    },
    "SourceErrorCode": {
        "TIMEOUT": "The vendor did not respond in time. A retry may succeed.",
        "UNAVAILABLE": "The vendor could not be reached, or cannot serve now. A retry may succeed.",
        "RATE_LIMITED": "The vendor or the gateway's own rate limit held the call back. A retry may succeed.",
        "UNAUTHORIZED": "The vendor rejected the credential.",
        "NOT_FOUND": "The vendor does not have the path, the workspace or the only requested object.",
        "BAD_REQUEST": "The vendor rejected the call, or the source does not support it.",
        "BAD_RESPONSE": "The reply violates the vendor's contract.",
        "CIRCUIT_OPEN": "The call was not sent: too many of its kind failed recently. A retry may succeed.",
    },
    "SourceHealthStatus": {
        "UP": "The source replies.",
        "DEGRADED": "A part of the source fails, or its circuit breaker holds calls back.",
        "DOWN": "The source does not reply.",
        "UNKNOWN": "The source was not called.",
    },
    "SpanKind": {
        "AGENT": "An agent, with the steps that it took.",
        "CHAIN": "A chain or workflow of steps.",
        "LLM": "The call of a language model.",
        "TOOL": "The call of a tool.",
        "RETRIEVER": "A search for documents.",
        "EMBEDDING": "The computation of embeddings.",
        "RERANKER": "The reordering of documents.",
        "GUARDRAIL": "The check of a guardrail.",
        "EVALUATOR": "The work of an evaluator.",
        "PROMPT": "The formatting of a prompt, or a message of a user.",
        "PARSER": "The parsing of an output.",
        "UNKNOWN": "The vendor says another word: see vendorKind.",
    },
    "SourceReportStatus": {
        "OK": "The source's rows are complete.",
        "STALE": "The source failed, and older rows from the cache replace its rows.",
        "FAILED": "Rows of the source are missing. The next page calls it again from the same position.",
        "SCAN_LIMITED": "The page budget ended before the source's list did. The page may have fewer rows.",
    },
    "Statistic": {
        "MEAN": "The arithmetic mean.",
        "MEDIAN": "The 50th percentile.",
        "P90": "The 90th percentile.",
        "P95": "The 95th percentile.",
        "P99": "The 99th percentile.",
        "SUM": "The sum.",
        "COUNT": "The number of values.",
        "MIN": "The smallest value.",
        "MAX": "The largest value.",
        "P25": "The 25th percentile.",
        "P75": "The 75th percentile.",
        "STDDEV": "The standard deviation, of the sample when COMPUTED.",
    },
    "TimeInterval": {
        "MINUTE": "A minute of the clock.",
        "HOUR": "An hour of the clock. An hour that the clock repeats is an interval of its own.",
        "DAY": "A day of the calendar: 23 or 25 hours where the clock changes.",
        "WEEK": "A week of the calendar, from Monday.",
        "MONTH": "A month of the calendar.",
    },
}

_ARGUMENTS: Mapping[str, str] = {
    "first": "The number of rows, from 0 to `gateway.limits.maxFirst`. By default `gateway.limits.defaultFirst`.",
    "after": "A cursor of this list: the page begins right after its edge. By default it begins at the start.",
    "last": "The number of rows at the end of the list, or right before `before`. Not beside `first`. By default "
    "`gateway.limits.defaultFirst`, where `before` is given.",
    "before": "A cursor of this list: the page ends right before its edge. By default it ends at the end.",
    "filter": "The conditions that every row meets. By default there is none.",
    "orderBy": "The order of the rows. By default the newest come first.",
    "activeExperiments": "How many of the most recently active experiments of each source to read, from 1 to 100, "
    "where the filter names none. The default is configured. Without effect beside experimentIds.",
    "metrics": "The metrics, in the order of the result. By default all metrics, in the order of MetricKind.",
    "metric": "The metric.",
    "basis": "The origin of the figures.",
    "interval": "The width of the intervals.",
    "range": "The range of starts, which must not be empty.",
    "timeZone": "The name of a time zone of the IANA database, such as Europe/Berlin.",
}
"""Arguments of every field, by name."""

_SESSIONS_OF_FIGURES = (
    "The conditions on the sessions behind the figures. By default every session counts. With a filter, nothing "
    "is REPORTED, and BEST is COMPUTED."
)

_METRICS_OF_PARTS = "The metrics, in the order of the result."

_SESSIONS_OF_PARTS = "The conditions on the sessions. By default there is none."

_ARGUMENTS_OF_FIELDS: Mapping[str, Mapping[str, str]] = {
    "Comparison.cases": {
        "metric": "The metric whose values are compared.",
        "outcome": "Only cases for which at least one experiment has this outcome. By default all cases.",
        "text": "Only cases with this text in the key, or in the input, the output or the error of a session of "
        "any of the experiments, in upper or lower case. By default, and with an empty text, all cases.",
        "orderBy": "By default, the keys ascend.",
    },
    "Experiment.aggregate": {"filter": _SESSIONS_OF_FIGURES},
    "Experiment.aggregates": {"filter": _SESSIONS_OF_FIGURES},
    "Experiment.sessionGroups": {
        "by": "The property.",
        "metrics": _METRICS_OF_PARTS,
        "first": "The number of groups, from 0 to `gateway.limits.maxFirst`.",
        "filter": _SESSIONS_OF_PARTS,
    },
    "Experiment.timeSeries": {"metrics": _METRICS_OF_PARTS, "filter": _SESSIONS_OF_PARTS},
    "Query.node": {"id": "The global ID of an object of any type."},
    "Query.nodes": {"ids": "Global IDs of objects of any type. An ID may occur several times."},
    "Query.experiment": {"id": "The global ID of an experiment."},
    "Query.session": {"id": "The global ID of a session."},
    "Query.comparison": {
        "experimentIds": "The global IDs of 2 to 20 experiments. An ID may occur several times.",
        "baselineId": "One of experimentIds. The default is the first of them that a source knows.",
        "metrics": "The compared metrics. By default those that at least two of the experiments have.",
        "statistic": "The compared statistic.",
        "basis": "The origin of the figures.",
        "joinOn": "The key that matches a case of one experiment to the same case of another.",
    },
}
"""Arguments of single fields."""


def describe(schema: GraphQLSchema) -> None:
    """Set the description of every element of the schema that has a text here and none of its own."""
    for coordinate, element in elements(schema):
        if not element.description:
            element.description = _text_of(coordinate)


Element = GraphQLField | GraphQLInputField | GraphQLEnumValue | GraphQLArgument


def elements(schema: GraphQLSchema) -> Iterator[tuple[str, Element]]:
    """Yield the fields, input fields, enum values and arguments of a schema with their schema coordinates.

    A coordinate is `Type.member` or `Type.field(argument:)`.
    """
    for type_name, schema_type in schema.type_map.items():
        if type_name.startswith("__"):
            continue
        members = {**getattr(schema_type, "fields", {}), **getattr(schema_type, "values", {})}
        for name, member in members.items():
            yield f"{type_name}.{name}", member
            for argument_name, argument in getattr(member, "args", {}).items():
                yield f"{type_name}.{name}({argument_name}:)", argument


def _text_of(coordinate: str) -> str | None:
    member, _, argument = coordinate.removesuffix(":)").partition("(")
    if argument:
        return _ARGUMENTS_OF_FIELDS.get(member, {}).get(argument) or _ARGUMENTS.get(argument)
    type_name, _, name = member.partition(".")
    return (_FIELDS.get(type_name) or _VALUES.get(type_name) or {}).get(name)


def described() -> Iterator[str]:
    """Yield the coordinates of the members and arguments that have a text of their own here."""
    for texts in (_FIELDS, _VALUES):
        yield from (f"{type_name}.{name}" for type_name, members in texts.items() for name in members)
    for member, arguments in _ARGUMENTS_OF_FIELDS.items():
        yield from (f"{member}({name}:)" for name in arguments)
