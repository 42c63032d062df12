"""Names and neighbourhoods that no collected table holds: what people call places, and whose grid serves them."""

from __future__ import annotations

CODES = {
    "aws": "AWS", "azure": "Azure", "gcp": "Google Cloud", "ovh": "OVHcloud", "coreweave": "CoreWeave",
    "hlrs": "HLRS", "itenos": "I.T.E.N.O.S.", "scaleway": "Scaleway", "seeweb": "Seeweb",
}

# Common names beside those of the table; ISO 3166 names and what people type.  "Congo" and "Korea" are two
# countries each, "Georgia" is a country and a state: such words stand twice and are asked back.
ALIASES = {
    "AE": ["UAE", "Emirates"], "BO": ["Plurinational State of Bolivia"], "BR": ["Brasil"], "BN": ["Brunei Darussalam"],
    "CD": ["Congo", "DR Congo", "DRC"], "CG": ["Congo", "Republic of the Congo", "Congo-Brazzaville"],
    "CH": ["Schweiz", "Suisse", "Svizzera"], "CI": ["Ivory Coast", "Côte d'Ivoire"], "CV": ["Cabo Verde"],
    "CZ": ["Czech Republic", "Czechia"], "DE": ["Deutschland"], "ES": ["España"],
    "FM": ["Federated States of Micronesia"],
    "GB": ["UK", "Great Britain", "Britain", "England", "Scotland", "Wales"], "GR": ["Hellas"], "HK": ["Hong Kong SAR"],
    "IR": ["Islamic Republic of Iran"], "IT": ["Italia"], "KP": ["Korea", "DPRK"], "KR": ["Korea", "Republic of Korea"],
    "LA": ["Lao"], "MD": ["Republic of Moldova"], "MK": ["Macedonia"], "MM": ["Burma"], "MO": ["Macau"],
    "NL": ["Holland", "The Netherlands"], "PL": ["Polska"], "PS": ["State of Palestine"], "RU": ["Russian Federation"],
    "SE": ["Sverige"], "SY": ["Syrian Arab Republic"], "SZ": ["Swaziland"], "TL": ["Timor-Leste"],
    "TR": ["Türkiye", "Turkiye"], "TW": ["Taiwan, Province of China"], "TZ": ["United Republic of Tanzania"],
    "US": ["United States of America", "America"], "VE": ["Bolivarian Republic of Venezuela"], "VN": ["Viet Nam"],
}

# Small states on a neighbour's grid: name, ISO 3166-1 alpha-3, whose figure they take.
ISLANDS_GRID = {
    "IM": ("Isle of Man", "IMN", "GB"),
    "LI": ("Liechtenstein", "LIE", "CH"),
    "MC": ("Monaco", "MCO", "FR"),
    "SM": ("San Marino", "SMR", "IT"),
    "VA": ("Vatican City", "VAT", "IT"),
}

# US states: name, and the balancing authority area that serves most of the state (US EIA form 930 names).
STATES = {
    "US-AK": ("Alaska", "US-AK"),
    "US-AL": ("Alabama", "US-SE-SOCO"),
    "US-AR": ("Arkansas", "US-MIDW-MISO"),
    "US-AZ": ("Arizona", "US-SW-AZPS"),
    "US-CA": ("California", "US-CAL-CISO"),
    "US-CO": ("Colorado", "US-NW-PSCO"),
    "US-CT": ("Connecticut", "US-NE-ISNE"),
    "US-DC": ("District of Columbia", "US-MIDA-PJM"),
    "US-DE": ("Delaware", "US-MIDA-PJM"),
    "US-FL": ("Florida", "US-FLA-FPL"),
    "US-GA": ("Georgia", "US-SE-SOCO"),
    "US-HI": ("Hawaii", "US-HI"),
    "US-IA": ("Iowa", "US-MIDW-MISO"),
    "US-ID": ("Idaho", "US-NW-IPCO"),
    "US-IL": ("Illinois", "US-MIDA-PJM"),
    "US-IN": ("Indiana", "US-MIDW-MISO"),
    "US-KS": ("Kansas", "US-CENT-SWPP"),
    "US-KY": ("Kentucky", "US-MIDW-LGEE"),
    "US-LA": ("Louisiana", "US-MIDW-MISO"),
    "US-MA": ("Massachusetts", "US-NE-ISNE"),
    "US-MD": ("Maryland", "US-MIDA-PJM"),
    "US-ME": ("Maine", "US-NE-ISNE"),
    "US-MI": ("Michigan", "US-MIDW-MISO"),
    "US-MN": ("Minnesota", "US-MIDW-MISO"),
    "US-MO": ("Missouri", "US-MIDW-MISO"),
    "US-MS": ("Mississippi", "US-MIDW-MISO"),
    "US-MT": ("Montana", "US-NW-NWMT"),
    "US-NC": ("North Carolina", "US-CAR-DUK"),
    "US-ND": ("North Dakota", "US-MIDW-MISO"),
    "US-NE": ("Nebraska", "US-CENT-SWPP"),
    "US-NH": ("New Hampshire", "US-NE-ISNE"),
    "US-NJ": ("New Jersey", "US-MIDA-PJM"),
    "US-NM": ("New Mexico", "US-SW-PNM"),
    "US-NV": ("Nevada", "US-NW-NEVP"),
    "US-NY": ("New York", "US-NY-NYIS"),
    "US-OH": ("Ohio", "US-MIDA-PJM"),
    "US-OK": ("Oklahoma", "US-CENT-SWPP"),
    "US-OR": ("Oregon", "US-NW-PGE"),
    "US-PA": ("Pennsylvania", "US-MIDA-PJM"),
    "US-RI": ("Rhode Island", "US-NE-ISNE"),
    "US-SC": ("South Carolina", "US-CAR-DUK"),
    "US-SD": ("South Dakota", "US-CENT-SWPP"),
    "US-TN": ("Tennessee", "US-TEN-TVA"),
    "US-TX": ("Texas", "US-TEX-ERCO"),
    "US-UT": ("Utah", "US-NW-PACE"),
    "US-VA": ("Virginia", "US-MIDA-PJM"),
    "US-VT": ("Vermont", "US-NE-ISNE"),
    "US-WA": ("Washington", "US-NW-BPAT"),
    "US-WI": ("Wisconsin", "US-MIDW-MISO"),
    "US-WV": ("West Virginia", "US-MIDA-PJM"),
    "US-WY": ("Wyoming", "US-NW-PACE"),
}

# ISO 3166-2 provinces and states of Canada and Australia.
PROVINCES = {
    "AU-NSW": "New South Wales", "AU-NT": "Northern Territory", "AU-QLD": "Queensland", "AU-SA": "South Australia",
    "AU-TAS": "Tasmania", "AU-VIC": "Victoria", "AU-WA": "Western Australia",
    "CA-AB": "Alberta", "CA-BC": "British Columbia", "CA-MB": "Manitoba", "CA-NB": "New Brunswick",
    "CA-NL": "Newfoundland and Labrador", "CA-NS": "Nova Scotia", "CA-NT": "Northwest Territories",
    "CA-NU": "Nunavut", "CA-ON": "Ontario", "CA-PE": "Prince Edward Island", "CA-QC": "Québec",
    "CA-SK": "Saskatchewan", "CA-YT": "Yukon",
}

# Nordic bidding zones, as the market names them.
NORDIC_ZONES = {
    "DK-DK1": "West Denmark", "DK-DK2": "East Denmark",
    "NO-NO1": "Southeast Norway", "NO-NO2": "Southwest Norway", "NO-NO3": "Middle Norway", "NO-NO4": "North Norway",
    "NO-NO5": "West Norway",
    "SE-SE1": "North Sweden", "SE-SE2": "North Central Sweden", "SE-SE3": "South Central Sweden",
    "SE-SE4": "South Sweden",
}

# Cloud regions whose grid zone the collected table leaves open, by their location.
ZONE_OF_CLOUD = {
    "azure:westindia": "IN-WE",
    "coreweave:LAS1": "US-NW-NEVP",
    "coreweave:LGA1": "US-MIDA-PJM",
    "coreweave:ORD1": "US-MIDA-PJM",
    "gcp:us-central2": "US-CENT-SWPP",
    "gcp:us-east2": "US-SE-SOCO",
    "ovh:bhs": "CA-QC",
    "seeweb:fro2": "IT-CSO",
}
