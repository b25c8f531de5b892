-- Customers by country and by the UTC day on which the CRM changed them last, with what they have: for dashboards that
-- need not read every customer. Made anew after each load of customers, so it may run any number of times.
-- `penstock migrate` runs what creates, the function what deletes and inserts.
CREATE TABLE IF NOT EXISTS mart.customers_daily (
  day date NOT NULL,
  country char(2) NOT NULL,
  customers bigint NOT NULL,
  balance numeric(38, 2)
)
DISTSTYLE AUTO
SORTKEY (day);

CREATE OR REPLACE VIEW mart.customers_by_country AS
SELECT country, SUM(customers) AS customers, SUM(balance) AS balance, MAX(day) AS changed_on
FROM mart.customers_daily
GROUP BY country
WITH NO SCHEMA BINDING;

DELETE FROM mart.customers_daily;

INSERT INTO mart.customers_daily (day, country, customers, balance)
SELECT CAST(c.updated_at AT TIME ZONE 'UTC' AS date), c.country, COUNT(*), SUM(c.balance)
FROM tgt.customers AS c
GROUP BY CAST(c.updated_at AT TIME ZONE 'UTC' AS date), c.country;
