"""The chores of clients, as their prompts begin; what follows is made up."""

TITLE = (
    "Given the following... please reply with a title for the chat that is 3-4 words in length, "
    "all words used should be directly related to the content of the chat, avoid using verbs "
    "unless they are directly related to the content of the chat, no additional text or "
    "explanation, you don't need ending punctuation.\n\n"
)
"""Continue's, up to the answer that it wants a title of."""

COMPACTION = (
    "Create a comprehensive summary of this conversation that captures all essential information "
    "and context.\n\nWrite it so that the conversation can go on from it."
)

CODE = "def fly(bird):\n    return bird"

EDIT = f"""The user has requested a section of code in a file to be rewritten.

This is the prefix of the file:
```py
import birds
```

This is the code to rewrite:
```py
{CODE}
```

The user's request is: "let it sing"

DO NOT output any natural language, only output the code changes.

Here is the rewritten code:"""

APPLY = f"""ORIGINAL CODE:
```
{CODE}
```

SUGGESTED EDIT:
```
def sing(bird): ...
```

Apply the SUGGESTED EDIT to the ORIGINAL CODE. Output the complete modified code."""

APPLY_WITHIN = f"""The user has requested that a suggested edit be applied to a section of code \
in a file.

This is the code to modify:
```py
{CODE}
```

SUGGESTED EDIT:
```py
def sing(bird): ...
```"""

WHOLE_FILE = f"""```py
{CODE}
```

Please rewrite the above file to address the following request:

let it sing"""

INSERTION = """```py
import birds
[BLANK]
```

Above is the file of code that the user is currently editing in. Their cursor is located at the \
"[BLANK]"."""

HISTORY = """### Chat History:
<chat_history>
USER: Why do migratory birds sing at dawn?
ASSISTANT: Birds sing at dawn to mark a territory.
</chat_history>"""

OPEN_WEBUI = {
    "title": "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat "
    'history.\n### Output:\nJSON format: { "title": "your concise title here" }\n' + HISTORY,
    "follow_ups": "### Task:\nSuggest 3-5 relevant follow-up questions or prompts\n" + HISTORY,
    "tags": "### Task:\nGenerate 1-3 broad tags categorizing the main themes\n" + HISTORY,
    "queries": "### Task:\nAnalyze the chat history to determine the necessity of generating "
    "search queries, in the given language.\n" + HISTORY,
    "image_prompt": "### Task:\nGenerate a detailed prompt for am image generation task\n"
    + HISTORY,
    "autocomplete": "### Task:\nYou are an autocompletion system. Continue the text\n" + HISTORY,
    "emoji": "Your task is to reflect the speaker's likely facial expression through a fitting "
    "emoji.\n\nMessage: ```Hello```",
}
TOOL_CALLS = (
    "Available Tools: []\n\nYour task is to choose and return the correct tool(s) from the list "
    "of available tools based on the query."
)
"""Open WebUI's, as a system message."""
