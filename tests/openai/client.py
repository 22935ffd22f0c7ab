"""The real OpenAI client, as a program would use it: the key comes from the environment and is not mentioned here."""

import openai

client = openai.OpenAI()
answer = client.chat.completions.create(model="made-up", messages=[{"role": "user", "content": "hello"}])
print(answer.choices[0].message.content)
