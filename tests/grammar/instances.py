"""Valid and invalid texts for the schemas of a file, and whether texts made elsewhere are valid.

    instances.py write SCHEMAS OUT    lines {"schema": index, "text": …, "valid": …}
    instances.py check SCHEMAS TEXTS  prints the lines of TEXTS ({"schema": index, "text": …}) that are not valid

Exit status 77 without the package jsonschema.
"""
import json
import random
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)


def refuse(constant):
    raise ValueError(constant)


def is_valid(schema, text):
    try:
        value = json.loads(text, parse_constant=refuse)
        jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(value)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def mutated(text, rng):
    place = rng.randrange(len(text))
    change = rng.randrange(4)
    other = rng.choice('{}[]",:0159-.eaAZ \\\n') if rng.random() < 0.7 else rng.choice(text)
    if change == 0:
        return text[:place] + text[place + 1:]
    if change == 1:
        return text[:place] + other + text[place + 1:]
    if change == 2:
        return text[:place] + other + text[place:]
    end = rng.randrange(place, len(text)) + 1
    return text[:place] + text[end:]


def main():
    mode, schemas_file, texts_file = sys.argv[1:]
    with open(schemas_file, encoding="utf-8") as file:
        cases = json.load(file)
    if mode == "check":
        with open(texts_file, encoding="utf-8") as file:
            for line in file:
                made = json.loads(line)
                if not is_valid(cases[made["schema"]]["schema"], made["text"]):
                    print(line, end="")
        return
    rng = random.Random(1)
    with open(texts_file, "w", encoding="utf-8") as file:
        def write(index, text, valid):
            file.write(json.dumps({"schema": index, "text": text, "valid": valid}) + "\n")
        for index, case in enumerate(cases):
            for instance in case["instances"]:
                forms = {json.dumps(instance), json.dumps(instance, separators=(",", ":")),
                         json.dumps(instance, indent=2), json.dumps(instance, indent=4, ensure_ascii=False),
                         json.dumps(instance, ensure_ascii=False)}
                for text in sorted(forms):
                    assert is_valid(case["schema"], text), text
                    write(index, text, True)
                    for _ in range(60):
                        changed = mutated(text, rng)
                        if not is_valid(case["schema"], changed):
                            write(index, changed, False)


main()
