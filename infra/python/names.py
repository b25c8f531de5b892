"""Names of one stage's resources, as the templates make them. Knows no resource."""

import re
from dataclasses import dataclass

BUCKETS = ("landing", "stage", "work", "curated", "lake", "quarantine")
# At most 12 characters, so that bucket names stay within 63.
STAGE = re.compile("[a-z][a-z0-9-]{0,11}")


def own_name(stage: str, name: str) -> str:
    """What a stage calls something."""
    return f"penstock-{stage}-{name}"


@dataclass(frozen=True)
class Names:
    """A stage in an account and region."""

    stage: str
    account: str
    region: str

    def own(self, name: str) -> str:
        """A name within the account and region."""
        return own_name(self.stage, name)

    def bucket(self, purpose: str) -> str:
        """A bucket's name, which has to be the only one in the world."""
        return f"{self.own(purpose)}-{self.account}-{self.region}"

    @property
    def key_alias(self) -> str:
        """Name of the quarantine's key."""
        return f"alias/{self.own('quarantine')}"

    @property
    def namespace(self) -> str:
        """The Redshift Serverless namespace that a deployment makes, and its workgroup."""
        return f"penstock-{self.stage}"

    @property
    def in_templates(self) -> dict[str, str]:
        """What names in the templates are made of."""
        return {"Stage": self.stage, "AWS::AccountId": self.account, "AWS::Region": self.region}
