"""The same question in Python, in SQL, and as QCache has it.

Run it:  python -m examples.queries      (needs: pip install 'storekit[embedded,sql]')
"""

from storekit.qcache import QClient
from storekit.qcache.query import Query, col, sum_

CITIES = """\
city,country,people
Uppsala,SE,177074
Lund,SE,94393
Kiruna,SE,17002
Bergen,NO,271949
"""

QUERY = (
    Query()
    .select("country", sum_("people").as_("total"))
    .where((col("people") > 50_000) & col("country").is_in(["SE", "NO"]))
    .group_by("country")
    .order_by("-total")
)
TEXT = """
select country, sum(people) as total from cities
where people > 50000 and country in ('SE', 'NO')
group by country order by total desc
"""


def main() -> None:
    with QClient(["embedded:"]) as client:
        client.post("cities", CITIES)
        answer = client.get("cities", QUERY)
        print(answer.rows() if answer else None)
        print(client.sql(TEXT).rows())
        print(QUERY.to_json())


if __name__ == "__main__":
    main()
