"""GRAMS PER kWh.  A grid answers one question: how many grams per kWh, here, then?"""
