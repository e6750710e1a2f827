"""Indian names and phone numbers, and how payment screens spell them."""

from dataclasses import dataclass
from typing import Final

from streams.simulator.rng import Rng

_GIVEN: Final = (
    "Aarav", "Abdul", "Ajay", "Amit", "Anand", "Anil", "Anjali", "Arjun", "Asha", "Bala", "Deepak",
    "Devika", "Dinesh", "Farhan", "Ganesh", "Gaurav", "Gurpreet", "Harish", "Imran", "Irfan", "Jagdish",
    "Joseph", "Karthik", "Kavita", "Kiran", "Lakshmi", "Mahesh", "Manoj", "Meena", "Mohan", "Mukesh",
    "Naveen", "Neha", "Nikhil", "Pooja", "Prakash", "Pradeep", "Priya", "Rahul", "Rajesh", "Rakesh",
    "Ramesh", "Ravi", "Rohit", "Salim", "Sandeep", "Sanjay", "Santosh", "Senthil", "Shabana", "Sneha",
    "Subhash", "Sunil", "Suresh", "Thomas", "Uday", "Varun", "Venkatesh", "Vijay", "Vikram", "Vinod",
    "Vishal", "Yusuf", "Zoya",
)  # fmt: skip
_MIDDLE: Final = ("", "", "", "Kumar", "Lal", "Chandra", "Prasad", "Singh")
_FAMILY: Final = (
    "Agarwal", "Ansari", "Banerjee", "Bhatt", "Biswas", "Chauhan", "Chavan", "Choudhary", "D'Souza",
    "Das", "Desai", "Deshmukh", "Fernandes", "Ghosh", "Gowda", "Gupta", "Hussain", "Iyer", "Jadhav",
    "Jain", "Joshi", "Khan", "Kulkarni", "Malik", "Mehta", "Menon", "Mishra", "Mondal", "Nair", "Naidu",
    "Pandey", "Patel", "Patil", "Pillai", "Qureshi", "Rajput", "Rao", "Rathore", "Reddy", "Roy",
    "Sharma", "Shah", "Shaikh", "Shetty", "Solanki", "Thakur", "Tiwari", "Varma", "Verma", "Yadav",
)  # fmt: skip
_HONORIFICS: Final = ("Mr ", "Shri ", "Mr. ", "Sri ")
# first five digits of mobile numbers in use
_MOBILE_RANGES: Final = (
    "98100", "98110", "98111", "98200", "98201", "98330", "98440", "98450", "98451", "98300", "98310",
    "98400", "98410", "98480", "98490", "98240", "98250", "98220", "98230", "98290", "98390", "99100",
    "99200", "99000", "99450", "97110", "97690", "97400", "96110", "95600", "94480", "93100", "90040",
    "90080", "89510", "88000", "87000", "80080",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """A person with a full name and a mobile number of ten digits."""

    name: str
    phone: str


def draw_person(rng: Rng) -> Person:
    """Return a person with a name of two or three words."""
    words = (rng.pick(_GIVEN), rng.pick(_MIDDLE), rng.pick(_FAMILY))
    return Person(" ".join(word for word in words if word), f"{rng.pick(_MOBILE_RANGES)}{rng.whole(0, 99_999):05d}")


def spell_name(name: str, rng: Rng) -> str:
    """Return a name as a payment screen may show it: in another case or order, or with an honorific."""
    *first, last = name.split()
    return rng.pick((name, name.upper(), f"{last}, {' '.join(first)}", rng.pick(_HONORIFICS) + name, name.lower()))


def spell_phone(phone: str, rng: Rng) -> str:
    """Return the ten digits of a phone number as people write them."""
    return rng.pick((phone, f"+91{phone}", f"+91 {phone[:5]} {phone[5:]}", f"0{phone}", f"{phone[:5]}-{phone[5:]}"))
