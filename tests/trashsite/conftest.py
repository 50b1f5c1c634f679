"""What the tests of the transport ask for: SQS by the AWS SDK alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def raw(suffix: str) -> SQSClient:
    return boto3.client("sqs")


@pytest.fixture
def url(raw: SQSClient, suffix: str) -> str:
    """The URL of the queue of reports."""
    return raw.get_queue_url(QueueName=f"trash-level-{suffix}")["QueueUrl"]
