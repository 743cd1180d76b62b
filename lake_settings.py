"""The settings of the lake: a part of `Settings`."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from setting_values import check_lake_catalog, check_lake_warehouse, parse_plain_options


class LakeSettings(BaseSettings):
    """The environment's settings of the lake, as `Settings` has them."""

    lake_catalog: Annotated[SecretStr | None, AfterValidator(check_lake_catalog)] = Field(
        None,
        description="http://host:port or https:// of a REST catalogue, or sqlite:////path or"
        " postgresql://user:password@host:port/database of one in SQL",
    )
    lake_warehouse: Annotated[str | None, AfterValidator(check_lake_warehouse)] = Field(
        None, description="where new tables of the lake are: file:///path or s3://bucket/path"
    )
    lake_options: Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(parse_plain_options)] = Field(
        default_factory=dict,
        description="further properties of pyiceberg as name=value;name=value, such as s3.endpoint",
    )
    lake_commit_s: float = Field(
        60, ge=0.1, le=86_400, description="seconds between two commits of the lake, a number from 0.1 to 86400"
    )
    lake_commit_rows: int = Field(
        500_000,
        ge=1,
        le=10_000_000,
        description="the number of rows that wait for a commit of the lake, a whole number from 1 to 10000000",
    )
    lake_keep_days: float = Field(
        7, ge=0, le=36_500, description="days until a snapshot of the lake is removed, a number from 0 to 36500"
    )
    lake_upkeep_s: float = Field(
        600, ge=0.1, le=86_400, description="seconds between two upkeeps of the lake, a number from 0.1 to 86400"
    )

    @property
    def lake_properties(self) -> dict[str, str]:
        """The properties of `LAKE_OPTIONS`, with secrets in plain text."""
        return {name: value.get_secret_value() for name, value in self.lake_options.items()}
