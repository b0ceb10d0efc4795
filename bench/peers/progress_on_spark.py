"""The progress report the way the platform's data product makes it, on Spark in local mode (exhaust.md 5 to 7).

Usage: progress_on_spark.py PARQUET_FOLDER WORK_FOLDER [BATCH_ID]

Same steps in the same order: the whole user cache is read, kept and counted; the batch's active enrolments are joined
with it (inner, so that learners whom the cache lacks drop out) and spread over 200 partitions; scores of the course's
aggregates are pivoted to one column per assessment and joined; parts are written as CSV and merged into one file.
Kinder to Spark than the original is: Parquet on a local disk in place of Cassandra and Redis, expressions in place of
UDFs, adaptive execution on, and no zip at the end.

Prints one line of JSON: name, seconds, start_seconds (of the session, not in seconds), rows, file.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

PARALLELISM = 200
MEMORY = "6g"
CACHE = ("userid", "state", "district", "orgname", "schooludisecode", "schoolname", "block", "cluster", "board")
CACHE += ("usertype", "usersubtype")
LABELS = {
    "courseid": "Collection Id",
    "collection": "Collection Name",
    "batchid": "Batch Id",
    "batch": "Batch Name",
    "userid": "User UUID",
    "state": "State",
    "district": "District",
    "orgname": "Org Name",
    "schooludisecode": "School Id",
    "schoolname": "School Name",
    "block": "Block Name",
    "cluster": "Cluster Name",
    "usertype": "User Type",
    "usersubtype": "User Sub Type",
    "board": "Declared Board",
    "enrolled_date": "Enrolment Date",
    "completedon": "Completion Date",
    "certificate": "Certificate Status",
    "percent": "Progress",
    "total": "Total Score",
}


def session(work: Path) -> SparkSession:
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("progress-exhaust")
        .config("spark.driver.memory", MEMORY)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.local.dir", str(work / "scratch"))
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def assessments_of(node: dict[str, Any]) -> list[str]:
    own = [node["identifier"]] if node.get("contentType") == "SelfAssess" else []
    return own + [one for below in node.get("children", ()) for one in assessments_of(below)]


def leaves_of(node: dict[str, Any]) -> int:
    below = node.get("children")
    return sum(map(leaves_of, below)) if below else 1


def percent(score: Column, most: Column) -> Column:
    return f.when(most > 0, f.concat(f.ceil(score * 100 / most).cast("string"), f.lit("%")))


def scores_of(aggregates: DataFrame, assessments: list[str]) -> DataFrame:
    """One row per learner: a column per assessment, and the total."""
    entries = aggregates.select("userid", "aggregates", f.explode("aggregates").alias("key", "score"))
    scored = entries.where(f.col("key").startswith("score:")).select(
        "userid", f.expr("substring(key, 7)").alias("content"), "score", "aggregates"
    )
    known = scored.where(f.col("content").isin(assessments)).withColumn(
        "most", f.expr("coalesce(aggregates[concat('max_score:', content)], 0d)")
    )
    each = known.groupBy("userid").pivot("content").agg(f.max(percent(f.col("score"), f.col("most"))))
    total = known.groupBy("userid").agg(percent(f.sum("score"), f.sum("most")).alias("total"))
    return each.join(total, "userid")


def rows_of(spark: SparkSession, source: Path, batch: str) -> DataFrame:
    def table(name: str) -> DataFrame:
        return spark.read.parquet(str(source / f"{name}.parquet"))

    users = table("user").select(*CACHE).persist()
    users.count()
    (found,) = table("course_batch").where(f.col("batchid") == batch).collect()
    (tree,) = table("content_hierarchy").where(f.col("identifier") == found.courseid).collect()
    hierarchy = json.loads(tree.hierarchy)
    enrolled = (
        table("user_enrolments")
        .where((f.col("batchid") == batch) & (f.col("courseid") == found.courseid) & f.col("active"))
        .where(f.col("enrolled_date").isNotNull())
        .join(users, "userid", "inner")
        .repartition(PARALLELISM, "userid")
    )
    done = f.size(f.map_filter("contentstatus", lambda _, status: status == 2))
    day = "dd/MM/yyyy"
    learners = enrolled.select(
        "courseid",
        f.lit(hierarchy["name"]).alias("collection"),
        f.concat(f.lit("BatchId_"), "batchid").alias("batchid"),
        f.lit(found.name).alias("batch"),
        *(one for one in CACHE if one != "board"),
        f.regexp_extract("board", r'^\["([^"]*)"', 1).alias("board"),
        f.date_format("enrolled_date", day).alias("enrolled_date"),
        f.date_format("completedon", day).alias("completedon"),
        f.when(f.size("issued_certificates") > 0, "Issued").otherwise("").alias("certificate"),
        f.when(f.col("completedon").isNotNull(), 100)
        .otherwise(f.least(f.lit(100), f.ceil(done * 100 / leaves_of(hierarchy)).cast("int")))
        .alias("percent"),
    )
    aggregates = (
        table("user_activity_agg")
        .where(f.col("context_id") == f"cb:{batch}")
        .select(f.col("user_id").alias("userid"), "activity_id", "aggregates")
        .persist()
    )
    scores = scores_of(aggregates.where(f.col("activity_id") == found.courseid), assessments_of(hierarchy))
    joined = learners.join(scores, "userid", "left_outer")
    contents = [name for name in scores.columns if name not in {"userid", "total"}]
    return joined.select(
        *(f.col(name).alias(label) for name, label in LABELS.items()),
        *(f.col(name).alias(f"{name} - Score") for name in contents),
    )


def merged(parts: Path, target: Path) -> int:
    """The parts as one file with one header; gives its rows."""
    rows = 0
    with target.open("wb") as file:
        for number, part in enumerate(sorted(parts.glob("part-*.csv"))):
            content = part.read_bytes()
            header, _, body = content.partition(b"\n")
            if not number:
                file.write(header + b"\n")
            file.write(body)
            rows += body.count(b"\n")
    return rows


def main(source: Path, work: Path, batch: str) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    began = time.perf_counter()
    spark = session(work)
    started = time.perf_counter()
    rows_of(spark, source, batch).na.fill("").write.option("header", "true").csv(str(work / "parts"))
    target = work / f"{batch}_progress.csv"
    rows = merged(work / "parts", target)
    ended = time.perf_counter()
    spark.stop()
    print(
        json.dumps(
            {
                "name": "the report on Spark (local[2], inner joins, repartition, pivot)",
                "seconds": ended - started,
                "start_seconds": started - began,
                "rows": rows,
                "file": target.name,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "0130000000000000500")
