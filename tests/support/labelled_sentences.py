"""Claims about passages, labelled by hand: does the passage bear the claim out? What thresholds are set and judged by.

Written for this project. `DEVELOPMENT` chose the thresholds and word lists; `HELD_OUT` was written apart from them.
"""

REDIS = (
    "Redis listens on port 6379 by default. The sentinel process listens on port 26379. Keys are evicted when "
    "maxmemory is reached, unless the policy is noeviction. Replication is asynchronous by default. AOF rewriting is "
    "enabled automatically, but RDB snapshots are not taken while a rewrite is running. A key may be at most 512 MB."
)
FERRY = (
    "The ferry to Hoy leaves Stromness at 07:45 on weekdays. On Sundays there is no sailing before 10:00. A single "
    "ticket costs £4.50 for adults and £2.25 for children under 12. Bicycles travel free of charge. Dogs must be kept "
    "on a lead. The crossing takes about thirty minutes."
)
CURIE = (
    "Marie Curie was born in Warsaw in 1867. She shared the Nobel Prize in Physics in 1903 with Pierre Curie and "
    "Henri Becquerel, and won the Nobel Prize in Chemistry in 1911. She never patented the isolation of radium. "
    "She died in 1934 of aplastic anaemia, caused by exposure to radiation."
)
LEASE = (
    "The tenant shall pay a rent of 1,250 euros, due on the third working day of each month. Pets are not allowed "
    "without written consent of the landlord. The deposit equals three months' rent. Either party may terminate the "
    "lease with a notice of three months. Minor repairs up to 100 euros are borne by the tenant."
)
HEIZUNG = (
    "Die Heizung wird im Oktober eingeschaltet. Die Vorlauftemperatur beträgt 55 Grad, die Rücklauftemperatur 40 Grad. "
    "Der Kessel wurde 2014 erneuert. Die Wartung übernimmt die Firma Brandt einmal im Jahr. Haustiere sind im "
    "Heizungsraum nicht erlaubt."
)
SALES = (
    "Revenue rose by 12 % to 3.4 million euros in 2023. Costs fell by 3 %. The number of employees grew from 41 to 48. "
    "The Lyon office was closed in March, and the Porto office was opened in June. No dividend was paid."
)

DEVELOPMENT: list[tuple[str, str, bool]] = [
    (REDIS, "By default, Redis listens on port 6379.", True),
    (REDIS, "The default port of Redis is 6379.", True),
    (REDIS, "Sentinel listens on port 26379.", True),
    (REDIS, "Replication is asynchronous.", True),
    (REDIS, "Redis listens on port 6379, and the sentinel process on port 26379.", True),
    (REDIS, "Keys are evicted once maxmemory is reached.", True),
    (REDIS, "A key can be at most 512 MB.", True),
    (REDIS, "No RDB snapshots are taken while a rewrite is running.", True),
    (REDIS, "Redis listens on port 26379 by default.", False),
    (REDIS, "Redis listens on port 26379 and the sentinel process on port 6379.", False),
    (REDIS, "Replication is synchronous by default.", False),
    (REDIS, "Replication is not asynchronous by default.", False),
    (REDIS, "RDB snapshots are taken while a rewrite is running.", False),
    (REDIS, "AOF rewriting is disabled automatically.", False),
    (REDIS, "A key may be at most 512 GB and is compressed with zstd.", False),
    (REDIS, "Redis was written by Salvatore Sanfilippo.", False),
    (REDIS, "Keys are never evicted when maxmemory is reached.", False),
    (REDIS, "A key may be at most 1024 MB.", False),
    (FERRY, "The ferry leaves Stromness at 07:45 on weekdays.", True),
    (FERRY, "An adult single ticket costs £4.50.", True),
    (FERRY, "Children under 12 pay £2.25.", True),
    (FERRY, "The crossing takes about 30 minutes.", True),
    (FERRY, "Bicycles are carried free of charge.", True),
    (FERRY, "There is no sailing before 10:00 on Sundays.", True),
    (FERRY, "A single ticket costs £2.25 for adults.", False),
    (FERRY, "The ferry leaves Kirkwall at 07:45 on weekdays.", False),
    (FERRY, "There is a sailing before 10:00 on Sundays.", False),
    (FERRY, "Dogs need not be kept on a lead.", False),
    (FERRY, "Tickets can be booked online until the evening before.", False),
    (FERRY, "The crossing takes about forty minutes.", False),
    (FERRY, "On Sundays there is no sailing after 10:00.", False),
    (CURIE, "Marie Curie was born in Warsaw in 1867.", True),
    (CURIE, "She won the Nobel Prize in Chemistry in 1911.", True),
    (CURIE, "Curie shared the 1903 Nobel Prize in Physics with Pierre Curie and Henri Becquerel.", True),
    (CURIE, "She did not patent the isolation of radium.", True),
    (CURIE, "Marie Curie died of aplastic anaemia in 1934.", True),
    (CURIE, "She won the Nobel Prize in Chemistry in 1903.", False),
    (CURIE, "Marie Curie was born in Paris in 1867.", False),
    (CURIE, "She patented the isolation of radium.", False),
    (CURIE, "Marie Curie discovered polonium together with her husband.", False),
    (CURIE, "She died in 1911.", False),
]

HELD_OUT: list[tuple[str, str, bool]] = [
    (LEASE, "The rent is 1250 euros a month.", True),
    (LEASE, "The deposit is three months' rent.", True),
    (LEASE, "Either party can terminate the lease with 3 months' notice.", True),
    (LEASE, "Pets are only allowed with the landlord's written consent.", True),
    (LEASE, "Pets are not allowed without the landlord's written consent.", True),
    (LEASE, "The tenant bears minor repairs of up to 100 euros.", True),
    (LEASE, "Rent is due on the third working day of the month.", True),
    (LEASE, "Pets are allowed without written consent of the landlord.", False),
    (LEASE, "The deposit equals two months' rent.", False),
    (LEASE, "Minor repairs up to 1,250 euros are borne by the tenant.", False),
    (LEASE, "The landlord pays for the heating.", False),
    (LEASE, "The lease ends on 31 December.", False),
    (LEASE, "Minor repairs up to 100 euros are borne by the landlord.", False),  # roles: words cannot tell
    (HEIZUNG, "Die Heizung wird im Oktober eingeschaltet.", True),
    (HEIZUNG, "Die Vorlauftemperatur beträgt 55 Grad.", True),
    (HEIZUNG, "Der Kessel wurde im Jahr 2014 erneuert.", True),
    (HEIZUNG, "Die Firma Brandt übernimmt einmal im Jahr die Wartung.", True),
    (HEIZUNG, "Die Rücklauftemperatur beträgt 55 Grad.", False),
    (HEIZUNG, "Haustiere sind im Heizungsraum erlaubt.", False),
    (HEIZUNG, "Die Heizung wird nicht im Oktober eingeschaltet.", False),
    (HEIZUNG, "Der Schornsteinfeger kommt zweimal im Jahr.", False),
    (SALES, "Revenue grew by 12% to 3.4 million euros in 2023.", True),
    (SALES, "Costs fell by 3 %.", True),
    (SALES, "The number of employees rose from 41 to 48.", True),
    (SALES, "The Porto office opened in June.", True),
    (SALES, "No dividend was paid.", True),
    (SALES, "The company did not pay a dividend.", True),
    (SALES, "Revenue fell by 12 % to 3.4 million euros in 2023.", False),
    (SALES, "Revenue rose by 3 % and costs fell by 12 %.", False),
    (SALES, "A dividend was paid.", False),
    (SALES, "The Porto office was closed in June.", False),
    (SALES, "The Lyon office was closed in April.", False),
    (SALES, "The number of employees grew from 48 to 41.", False),  # order of numbers: words cannot tell
    (SALES, "Revenue is expected to double next year.", False),
]
