"""Schemas that know every key: a misspelt one is an error, not something that the API server drops in silence.

Built-in kinds have the API server's own (kubernetes-validate, strict). Of KubeRay, the Prometheus Operator and Kueue
the keys that may be used here are written out below; pod templates in them are checked as Kubernetes' own.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema.validators
import kubernetes_validate
from referencing import Registry, Resource

from ..render import Doc

KUBERNETES = "v1.32.0"
"""The version whose schemas are used; GKE, EKS and AKS all have it or a later one."""

Schema = dict[str, Any]

STRING: Schema = {"type": "string", "minLength": 1}
BOOL: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
QUANTITY: Schema = {"type": ["string", "integer"], "pattern": r"^\d+(\.\d+)?(m|[KMGTPE]i?|k)?$"}
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}


def schema_errors(doc: Doc) -> Iterator[str]:
    """What is wrong with an object's keys and types."""
    validator = _validator(doc["apiVersion"], doc["kind"])
    if validator is None:
        yield f"no schema for {doc['apiVersion']} {doc['kind']}: is one of the two misspelt?"
        return
    for error in validator.iter_errors(doc):
        yield f"{'.'.join(map(str, error.absolute_path)) or 'top'}: {error.message[:300]}"


@functools.cache
def _validator(api_version: str, kind: str) -> Any:
    key = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    builtin = _folder() / f"{kind.lower()}-{key}.json"
    schema = _custom().get((api_version, kind))
    if schema is None and builtin.exists():
        schema = json.loads(builtin.read_text(encoding="utf-8"))
    return schema and _Validator(schema, registry=_registry())


_sound: dict[tuple[int, int], Any] = {}
"""Values that a schema lets pass, by the identities of value and schema: kept, so that no other value has theirs."""


def _unless_sound(validator: Any, value: Any, schema: Any, **at: Any) -> Iterator[Any]:
    """The errors of a part of an object; none is looked for where the very same part had none before."""
    if not isinstance(value, dict | list):
        yield from validator.descend(value, schema, **at)
    elif (id(value), id(schema)) not in _sound:
        is_sound = True
        for error in validator.descend(value, schema, **at):
            is_sound = False
            yield error
        if is_sound:
            _sound[id(value), id(schema)] = value


def _properties(validator: Any, properties: Schema, instance: Any, schema: Schema) -> Iterator[Any]:
    if isinstance(instance, dict):
        for key, inner in properties.items():
            if key in instance:
                yield from _unless_sound(validator, instance[key], inner, path=key, schema_path=key)


def _items(validator: Any, items: Schema, instance: Any, schema: Schema) -> Iterator[Any]:
    if isinstance(instance, list):
        for index, value in enumerate(instance):
            yield from _unless_sound(validator, value, items, path=index)


# A fault changes a part of an object; all others are as they were.
_Validator: Any = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"properties": _properties, "items": _items}
)


@functools.cache
def _folder() -> Path:
    return Path(str(resources.files(kubernetes_validate))) / "kubernetes-json-schema" / f"{KUBERNETES}-local-strict"


@functools.cache
def _registry() -> Registry[Any]:
    return Resource.from_contents(_definitions()) @ Registry()


@functools.cache
def _definitions() -> Schema:
    return json.loads((_folder() / "_definitions.json").read_text(encoding="utf-8"))


def _core(name: str) -> Schema:
    return {"$ref": f"{_definitions()['$id']}#/$defs/io.k8s.api.core.v1.{name}"}


def _meta(name: str) -> Schema:
    return {"$ref": f"{_definitions()['$id']}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.{name}"}


def _some(*values: str) -> Schema:
    return {"enum": list(values)}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _object(required: Sequence[str] = (), **keys: Schema) -> Schema:
    return {"type": "object", "properties": keys, "required": list(required), "additionalProperties": False}


def _kind(spec: Schema) -> Schema:
    keys = {"apiVersion": STRING, "kind": STRING, "metadata": _meta("ObjectMeta"), "spec": spec}
    return _object(list(keys), **keys)


@functools.cache
def _custom() -> dict[tuple[str, str], Schema]:
    cluster = _ray_cluster()
    return {
        ("ray.io/v1", "RayCluster"): _kind(cluster),
        ("ray.io/v1", "RayJob"): _kind(_ray_job(cluster)),
        ("ray.io/v1", "RayService"): _kind(
            _object(
                ("serveConfigV2", "rayClusterConfig"),
                serveConfigV2=STRING,
                rayClusterConfig=cluster,
                excludeHeadPodFromServeSvc=BOOL,
                upgradeStrategy=_object(("type",), type=_some("NewCluster", "None")),
                rayClusterDeletionDelaySeconds=COUNT,
            )
        ),
        ("monitoring.coreos.com/v1", "PodMonitor"): _kind(_pod_monitor()),
        ("kueue.x-k8s.io/v1beta2", "ResourceFlavor"): {**_kind(_object()), "required": ["metadata"]},
        ("kueue.x-k8s.io/v1beta2", "ClusterQueue"): _kind(_cluster_queue()),
        ("kueue.x-k8s.io/v1beta2", "LocalQueue"): _kind(_object(("clusterQueue",), clusterQueue=STRING)),
    }


def _ray_cluster() -> Schema:
    group = {"rayStartParams": STRINGS, "template": _core("PodTemplateSpec")}
    return _object(
        ("rayVersion", "headGroupSpec", "workerGroupSpecs"),
        rayVersion=STRING,
        authOptions=_object(("mode",), mode=_some("token"), secretName=STRING),
        enableInTreeAutoscaling=BOOL,
        autoscalerOptions=_object(
            ("version", "securityContext"),
            version=_some("v2"),
            idleTimeoutSeconds=COUNT,
            upscalingMode=_some("Default", "Aggressive", "Conservative"),
            resources=_core("ResourceRequirements"),
            securityContext=_core("SecurityContext"),
            env=_list(_core("EnvVar")),
            volumeMounts=_list(_core("VolumeMount")),
        ),
        headGroupSpec=_object(("rayStartParams", "template"), serviceType=_some("ClusterIP"), **group),
        workerGroupSpecs=_list(
            _object(
                ("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"),
                groupName=STRING,
                replicas=COUNT,
                minReplicas=COUNT,
                maxReplicas=COUNT,
                idleTimeoutSeconds=COUNT,
                **group,
            )
        ),
    )


def _ray_job(cluster: Schema) -> Schema:
    return _object(
        ("entrypoint", "rayClusterSpec"),
        entrypoint=STRING,
        submissionMode=_some("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
        submitterPodTemplate=_core("PodTemplateSpec"),
        submitterConfig=_object(backoffLimit=COUNT),
        backoffLimit=COUNT,
        activeDeadlineSeconds=COUNT,
        preRunningDeadlineSeconds=COUNT,
        ttlSecondsAfterFinished=COUNT,
        shutdownAfterJobFinishes=BOOL,
        suspend=BOOL,
        clusterSelector=STRINGS,
        metadata=STRINGS,
        runtimeEnvYAML=STRING,
        rayClusterSpec=cluster,
    )


def _pod_monitor() -> Schema:
    relabeling = _object(("action",), action=_some("replace"), sourceLabels=_list(STRING), targetLabel=STRING)
    return _object(
        ("selector", "podMetricsEndpoints"),
        jobLabel=STRING,
        selector=_meta("LabelSelector"),
        podMetricsEndpoints=_list(_object(("port",), port=STRING, relabelings=_list(relabeling))),
    )


def _cluster_queue() -> Schema:
    quota = _object(("name", "nominalQuota"), name=STRING, nominalQuota=QUANTITY)
    flavor = _object(("name", "resources"), name=STRING, resources=_list(quota))
    return _object(
        ("namespaceSelector", "resourceGroups"),
        namespaceSelector=_meta("LabelSelector"),
        resourceGroups=_list(
            _object(("coveredResources", "flavors"), coveredResources=_list(STRING), flavors=_list(flavor))
        ),
    )
