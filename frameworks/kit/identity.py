"""The id of a framework that outlives its process, in a small file of its home."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fairlead.common.errors import ConfigError
from fairlead.common.home import Home


@dataclass(frozen=True, slots=True)
class Identity:
    """One file; the id counts only within the cluster that gave it."""

    path: Path

    @classmethod
    def of(cls, home: Home, name: str) -> "Identity":
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        return cls(home.path / "frameworks" / f"{safe}.id.json")

    def load(self, cluster_id: str = "") -> str:
        """The id, or empty: there is none, or another cluster than `cluster_id` gave it."""
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
            framework_id, cluster = str(known["framework_id"]), str(known["cluster_id"])
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{self.path} is damaged", hint=f"remove it: rm {self.path}"
            ) from error
        return framework_id if cluster_id in ("", cluster) else ""

    def save(self, framework_id: str, cluster_id: str) -> None:
        """In one step, and durable."""
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            prefix = f".{self.path.name}."
            descriptor, draft = tempfile.mkstemp(prefix=prefix, dir=self.path.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"framework_id": framework_id, "cluster_id": cluster_id}, file)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self.path)
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror}") from error

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
