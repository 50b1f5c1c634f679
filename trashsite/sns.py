"""Publish to one SNS topic. Seldom done, so boto3's own client does it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from trashsite.aws import REGION


class SnsFailed(Exception):
    """SNS did not take the message."""


def publish(topic_arn: str, message: str, attributes: Mapping[str, str]) -> None:
    """Publish a text of at most 256 KB with attributes, by which subscribers may filter. Raises SnsFailed."""
    told = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value}
    try:
        _client(topic_arn.split(":")[3]).publish(TopicArn=topic_arn, Message=message, MessageAttributes=told)
    except (BotoCoreError, ClientError) as error:
        raise SnsFailed(str(error)) from error


@cache
def _client(region: str) -> Any:
    session = boto3.Session(botocore_session=botocore.session.Session(REGION))
    # One try: the alert's own queue brings it again.
    config = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
    return session.client("sns", region_name=region, config=config)


def forget() -> None:
    """Make the client anew when it is needed: the environment may lead elsewhere, as in tests."""
    _client.cache_clear()
