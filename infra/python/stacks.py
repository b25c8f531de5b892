"""Applies and deletes CloudFormation stacks through change sets. Knows no template."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

# Changes of a stack take minutes on AWS and milliseconds on a local cloud.
POLL_SECONDS = [0.1] * 5 + [0.5] * 10 + [3.0]
FINAL = re.compile("COMPLETE$|FAILED$")


class StackError(Exception):
    """A stack could not be changed; the text holds CloudFormation's reasons."""


@dataclass
class Stack:
    """A stack as it is now."""

    status: str
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    changed: bool = False


def read(cfn, name: str) -> Stack | None:
    """The stack, or None when there is none."""
    try:
        found = cfn.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    if found["StackStatus"] in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
        return None
    return Stack(
        status=found["StackStatus"],
        parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])},
        outputs={o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
    )


def is_new(stack: Stack | None) -> bool:
    """Whether the next change creates the stack: a creation that failed leaves nothing but its name."""
    return stack is None or stack.status == "ROLLBACK_COMPLETE"


def parameters_of(template: Path) -> set[str]:
    """Names of a template's parameters."""
    text = template.read_text(encoding="utf-8")
    block = re.search(r"^Parameters:\n((?:  .*\n|\n|#.*\n)+)", text, re.MULTILINE)
    return set(re.findall(r"^  (\w+):$", block.group(1), re.MULTILINE)) if block else set()


def literal(template: str, names: dict[str, str]) -> str:
    """A template with the names of buckets and namespaces written out. CloudFormation takes nothing back whose name is
    made by a function: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """

    def written(line: re.Match) -> str:
        return line[1] + re.sub(r"\$\{([\w:]+)\}", lambda name: names[name[1]], line[2])

    return re.sub(r"^( +(?:BucketName|NamespaceName): )!Sub (.+)$", written, template, flags=re.MULTILINE)


def apply(cfn, name: str, template: Path, given: dict[str, str], names: dict[str, str]) -> Stack:
    """Creates or updates a stack. A parameter that is not given keeps its value. Buckets that an earlier stack of this
    name left behind are taken back; `names` are what their names are made of."""
    there = read(cfn, name)
    if there and is_new(there):
        delete(cfn, name)
        there = None
    if there and not FINAL.search(there.status):
        raise StackError(f"stack {name} is {there.status}: another deployment is at work")
    wanted = parameters_of(template)
    kept = set(there.parameters) - set(given) if there else set()
    change_set = f"penstock-{time.time_ns()}"
    request = {
        "StackName": name,
        "ChangeSetName": change_set,
        "ChangeSetType": "UPDATE" if there else "CREATE",
        "TemplateBody": literal(template.read_text(encoding="utf-8"), names),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": given[key]} for key in sorted(wanted & set(given))]
        + [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(wanted & kept)],
        "Tags": [{"Key": "application", "Value": "penstock"}],
        "ImportExistingResources": True,
        # MiniStack holds it against a bucket that is taken back that it exists.
        "DisableValidation": given.get("Cloud") == "local",
    }
    cfn.create_change_set(**request)
    if not await_change_set(cfn, name, change_set):
        cfn.delete_change_set(StackName=name, ChangeSetName=change_set)
        return there or Stack(status="NONE")
    before = newest_event(cfn, name)
    cfn.execute_change_set(StackName=name, ChangeSetName=change_set)
    stack = await_stack(cfn, name, before)
    if stack is None or stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        raise StackError(failure(cfn, name, stack))
    stack.changed = True
    return stack


def await_change_set(cfn, name: str, change_set: str) -> bool:
    """Whether the change set holds changes."""
    for seconds in polls():
        described = cfn.describe_change_set(StackName=name, ChangeSetName=change_set)
        status, reason = described["Status"], described.get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            # Also without a resource: outputs may have changed.
            return True
        if status == "FAILED":
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return False
            raise StackError(f"stack {name}: {reason}")
        time.sleep(seconds)
    raise AssertionError("polls never end")


def await_stack(cfn, name: str, before: str | None) -> Stack | None:
    """The stack once nothing happens to it any more; `before` is the newest event from before the change."""
    for seconds in polls():
        stack = read(cfn, name)
        # CLEANUP states come after the change is done and safe.
        begun = before is None or newest_event(cfn, name) != before
        if begun and (stack is None or FINAL.search(stack.status)):
            return stack
        time.sleep(seconds)
    raise AssertionError("polls never end")


def newest_event(cfn, name: str) -> str:
    """Id of a stack's newest event."""
    events = cfn.describe_stack_events(StackName=name)["StackEvents"]
    return events[0]["EventId"] if events else ""


def delete(cfn, name: str) -> bool:
    """Deletes a stack; False when there was none."""
    if read(cfn, name) is None:
        return False
    # A stack that was deleted is found by its id alone.
    stack_id = cfn.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    cfn.delete_stack(StackName=name)
    stack = await_stack(cfn, stack_id, None)
    if stack is not None:
        raise StackError(failure(cfn, name, stack))
    return True


def failure(cfn, name: str, stack: Stack | None) -> str:
    """What went wrong, resource by resource, the first fault first."""
    events = cfn.describe_stack_events(StackName=name)["StackEvents"]
    last = next((i for i, e in enumerate(events) if is_start(e, name)), len(events))
    failed = [e for e in reversed(events[:last]) if e["ResourceStatus"].endswith("FAILED")]
    reasons = [f"  {e['LogicalResourceId']}: {e.get('ResourceStatusReason', 'no reason given')}" for e in failed]
    return "\n".join([f"stack {name} ended as {stack.status if stack else 'deleted'}", *reasons])


def is_start(event: dict, name: str) -> bool:
    """Whether a stack event begins the newest operation."""
    return event["LogicalResourceId"] == name and event["ResourceStatus"] in (
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
    )


def polls():
    """Seconds between looks, for ever: CloudFormation has time limits of its own."""
    yield from POLL_SECONDS
    while True:
        yield POLL_SECONDS[-1]
