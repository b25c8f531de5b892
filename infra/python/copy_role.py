"""Whether the role that COPY reads with is attached to a warehouse that we did not make. Knows no stack."""

import re

from botocore.exceptions import ClientError


def attached(session, warehouse: dict[str, str]) -> list[str]:
    """ARNs of the roles that a warehouse may be; `warehouse` has the functions' variables."""
    if cluster := warehouse.get("CLUSTER_IDENTIFIER"):
        found = session.client("redshift").describe_clusters(ClusterIdentifier=cluster)["Clusters"][0]
        return [own["IamRoleArn"] for own in found.get("IamRoles", [])]
    client = session.client("redshift-serverless")
    # Each is a text, `IamRole(applyStatus=in-sync, iamRoleArn=arn:...)`, with its parts in either order.
    found = client.get_namespace(namespaceName=namespace_of(client, warehouse))["namespace"]
    return re.findall(r"arn:[^,)\s]+", " ".join(found.get("iamRoles", [])))


def namespace_of(client, warehouse: dict[str, str]) -> str:
    """Namespace of the workgroup."""
    return client.get_workgroup(workgroupName=warehouse["WORKGROUP_NAME"])["workgroup"]["namespaceName"]


def hint(session, warehouse: dict[str, str], role: str) -> str | None:
    """What a person has to do so that COPY can read; None when the role is attached."""
    try:
        there = attached(session, warehouse)
        if role in there:
            return None
        return f"COPY cannot read yet. Attach its role to the warehouse:\n  {command(session, warehouse, there, role)}"
    except ClientError as error:
        return f"whether the role {role} is attached to the warehouse, so that COPY can read, was not seen: {error}"


def command(session, warehouse: dict[str, str], there: list[str], role: str) -> str:
    """The command that attaches the role and leaves the others attached."""
    if cluster := warehouse.get("CLUSTER_IDENTIFIER"):
        return f"aws redshift modify-cluster-iam-roles --cluster-identifier {cluster} --add-iam-roles {role}"
    namespace = namespace_of(session.client("redshift-serverless"), warehouse)
    # The list replaces the one that is there.
    roles = " ".join([*there, role])
    return f"aws redshift-serverless update-namespace --namespace-name {namespace} --iam-roles {roles}"
